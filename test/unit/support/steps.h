/* Interrupts a piece of work after a given number of instructions, and calls a function there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_STEPS_H
#define SOCKMALLOC_TEST_STEPS_H

#include <stdbool.h>

/* Skips the test except on x86-64, where a program can run its own code instruction by instruction. */
void steps_need(void);

/*
 * Runs `work`, and calls `between` in a signal handler after instruction number `at` of the work, counted from 1.
 * `between` does what a signal handler of the program, or another thread, may do at this moment; its argument is the
 * context that sigaction's handlers get. Returns false if `work` has ended before instruction `at`. Only the test's
 * first thread may call it; `between` must use CHECK and no assertion.
 */
typedef void steps_work(void);
typedef void steps_between(void *context);
bool steps_run(unsigned at, steps_work *work, steps_between *between);

#endif
