/* Sleeps while a comparison runs, and notices the signals that shall end the comparison. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_WAIT_H
#define SOCKMALLOC_COMPARE_WAIT_H

#include <stdbool.h>

/*
 * Blocks SIGINT, SIGTERM and SIGHUP, except those that this process ignores from its start. From then on
 * compare_is_stopped and compare_wait receive these signals, so that a comparison stops only at places where the
 * servers that it has started can be ended.
 */
void compare_wait_open(void);

/* Returns true if SIGINT, SIGTERM or SIGHUP has come. */
bool compare_is_stopped(void);

/* Sleeps for `seconds`. Returns false at once if SIGINT, SIGTERM or SIGHUP has come or comes. */
bool compare_wait(double seconds);

/* Ends this process by the signal that came, so that a shell sees which signal ended the command. */
void compare_end_by_signal(void) __attribute__((noreturn));

#endif
