/* Stops a piece of work after any one of its instructions, for what comes between then. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_STEPS_H
#define SOCKMALLOC_TEST_STEPS_H

#include <stdbool.h>

/* Skips the test where no program can have itself stopped: everywhere but on x86-64. */
void steps_need(void);

/*
 * Runs `work` and, after its instruction number `at`, counted from 1, `between` in a signal
 * handler: what a handler of the program's does there, or what another thread gets done meanwhile.
 * `context` is as sigaction says. False if the work was over before its turn. By the test's first
 * thread; in `between` a CHECK instead of assertions.
 */
typedef void steps_work(void);
typedef void steps_between(void *context);
bool steps_run(unsigned at, steps_work *work, steps_between *between);

#endif
