/* Stands in for os/os.c in a test: calls for memory fail when the test says so. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OS_FAILING_H
#define SOCKMALLOC_TEST_OS_FAILING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* The functions below count only those calls of the library that map, extend, move, discard or populate memory, or
 * that look for free addresses. The first of these calls has the number 1. */

/* Sets the count of calls to 0. The next call has the number 1. The calls with the numbers `first` to `last` fail. */
void os_failing_between(unsigned first, unsigned last);

/* All three functions set the count of calls to 0. Then os_failing_from makes all calls from number `first` on fail.
 * os_failing_every makes every n-th call fail. os_failing_never makes no call fail. */
void os_failing_from(unsigned first);
void os_failing_every(unsigned n);
void os_failing_never(void);

/* If `keeps` is true, every call that unmaps memory fails from now on. */
void os_failing_keep_mapped(bool keeps);

/* Runs `work` once, when the library next extends, maps or unmaps memory, and before the kernel does so, as if
 * another thread had been faster. If `work` makes such a call itself, `work` is not run again. */
void os_failing_meanwhile(void (*work)(void));

/* Runs `work` once, after the library's next call that extends memory has done so, and before the library publishes the
 * extension to other threads. */
void os_failing_afterwards(void (*work)(void));

/* Runs `work` once, during the library's next check of whether a page is mapped, before the library has the result. */
void os_failing_at_look(void (*work)(void));

/* Runs `work` once, just before the library's next call that discards pages. */
void os_failing_at_discard(void (*work)(void));

/* os_failing_calls returns how many calls the library has made since the count was set to 0. os_failing_refusals
 * returns how many calls have failed since then, and includes calls that unmap memory. */
unsigned os_failing_calls(void);
unsigned os_failing_refusals(void);

/* Returns how often the library has waited for another thread, with a time limit, since the count was set to 0. */
unsigned os_failing_waits(void);

/* Returns how often the library has asked which pages are in memory (os_residency, which stands for mincore) since
 * the count was set to 0. */
unsigned os_failing_looks(void);

/* Returns how many bytes of address space the library has mapped and not unmapped. */
size_t os_failing_held(void);

#endif
