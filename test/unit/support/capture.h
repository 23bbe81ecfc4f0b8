/* Captures what this process, or a child process that may die, prints on stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CAPTURE_H
#define SOCKMALLOC_TEST_CAPTURE_H

#include <stdbool.h>

/* How a child has ended, and the text that the child has printed on stderr. */
struct capture {
    int status; /* the exit status of the child, as waitpid returns it */
    int pid;
    char words[8192];
};

/* capture_run forks a child that has a stderr of its own, calls message_open, and runs `work`. The child's exit
 * status is 0, or 1 if a CHECK (crew.h) has failed; then the text of that CHECK is on the child's stderr. Any thread
 * may call capture_run, which allocates nothing before `work` runs. */
typedef void capture_work(void *argument);
void capture_run(struct capture *capture, capture_work *work, void *argument);

/* Returns true if the child has ended with the exit status 0. */
bool capture_is_clean(const struct capture *capture);

/* Runs `work` in a child. Fails the test unless the child ends with the exit status 0. Only the test's first thread may
 * call it. */
void capture_clean(capture_work *work, void *argument);

/* Runs `work` in a child. Fails the test unless the child ends by abort() and has printed one line, which contains
 * `wanted`. Only the test's first thread may call it. */
void capture_abort(capture_work *work, void *argument, const char *wanted);

/* Runs `work` in a child. Fails the test unless the child ends by SIGSEGV, because it touches memory without access.
 * Only the test's first thread may call it. */
void capture_fault(capture_work *work, void *argument);

/* capture_begin replaces stderr by a file and calls message_open. capture_end restores stderr, and returns the text
 * that was written to the file. */
void capture_begin(void);
const char *capture_end(void);

#endif
