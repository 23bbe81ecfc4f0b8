/* Captures what this process, or a child process that may die, writes to stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CAPTURE_H
#define SOCKMALLOC_TEST_CAPTURE_H

#include <stdbool.h>

/* Says how a child has ended, and holds the text that it wrote to stderr. */
struct capture {
    int status; /* the status of waitpid */
    int pid;
    char words[8192];
};

/*
 * capture_run runs `work` in a child of fork with a stderr of its own, for which the child calls message_open. The
 * child's exit status is 0, or 1 if a CHECK failed, whose text is then on the child's stderr. Any thread may call
 * capture_run. It allocates nothing before `work` runs.
 */
typedef void capture_work(void *argument);
void capture_run(struct capture *capture, capture_work *work, void *argument);

/* Returns true if the child ended with exit status 0. */
bool capture_is_clean(const struct capture *capture);

/* Runs `work` in a child, which must end with exit status 0. Only the test's first thread may call it. */
void capture_clean(capture_work *work, void *argument);

/* Runs `work` in a child, which must end by abort() after one line that contains `wanted`. Only the test's first
 * thread may call it. */
void capture_abort(capture_work *work, void *argument, const char *wanted);

/* Runs `work` in a child, which must end by SIGSEGV because it touches memory without access. Only the test's first
 * thread may call it. */
void capture_fault(capture_work *work, void *argument);

/* capture_begin puts a file in the place of stderr and calls message_open. capture_end puts stderr back, and returns
 * what was written in between. */
void capture_begin(void);
const char *capture_end(void);

#endif
