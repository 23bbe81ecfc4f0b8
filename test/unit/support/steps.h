/* Stops a piece of work after any one of its instructions, and runs a function there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_STEPS_H
#define SOCKMALLOC_TEST_STEPS_H

#include <stdbool.h>

/* Skips the test on machines other than x86-64, because only there a program can step through its own instructions. */
void steps_need(void);

/* Runs `work`, and after its instruction number `at`, counted from 1, calls `between` in a signal handler. `between`
 * does what a handler of the program may do, or what another thread may do at that moment; its `context` is that of
 * sigaction. Returns false if `work` was over before instruction `at`. Only the test's first thread may call it;
 * `between` uses CHECK and no assertions. */
typedef void steps_work(void);
typedef void steps_between(void *context);
bool steps_run(unsigned at, steps_work *work, steps_between *between);

#endif
