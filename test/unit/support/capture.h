/* Keeps what goes to stderr, of this process or of a child in which something may die. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CAPTURE_H
#define SOCKMALLOC_TEST_CAPTURE_H

#include <stdbool.h>

/* How a child ended, and what it wrote to stderr. */
struct capture {
    int status; /* as waitpid says it */
    int pid;
    char words[8192];
};

/*
 * Runs `work` in a child of fork with a stderr of its own, which message_open is shown. The child
 * ends with 0, or with 1 and the reason on its stderr if a CHECK did not hold. Any thread. It
 * allocates nothing before `work` runs.
 */
typedef void capture_work(void *argument);
void capture_run(struct capture *capture, capture_work *work, void *argument);

/* Whether the child ended with 0. */
bool capture_is_clean(const struct capture *capture);

/*
 * Runs `work`, which must end by abort() after one line with `wanted` in it. By the test's first
 * thread.
 */
void capture_abort(capture_work *work, void *argument, const char *wanted);

/*
 * Runs `work`, which must end by SIGSEGV: it touches what it must not. By the test's first thread.
 */
void capture_fault(capture_work *work, void *argument);

/*
 * Puts a file in stderr's place, shows it to message_open, and puts stderr back; what was written
 * meanwhile.
 */
void capture_begin(void);
const char *capture_end(void);

#endif
