/* Replaces os/os.c in a test: its memory calls fail when the test says so. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OS_FAILING_H
#define SOCKMALLOC_TEST_OS_FAILING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Of the calls below, only those that stand for mmap, mremap or madvise are counted. */

/* Sets the count of calls back, and refuses the calls with the numbers `first` to `last`. The next call is number 1. */
void os_failing_between(unsigned first, unsigned last);

/* All three set the count of calls back to 0. Then os_failing_from refuses all calls from number `first` on,
 * os_failing_every refuses every n-th call, and os_failing_never refuses no call. */
void os_failing_from(unsigned first);
void os_failing_every(unsigned n);
void os_failing_never(void);

/* Refuses to unmap anything if `keeps` is true. */
void os_failing_keep_mapped(bool keeps);

/* Runs `work` once, in the middle of the next call that extends, maps or unmaps memory, as if a faster thread did it.
 * Calls that `work` makes are ordinary ones, in which `work` is not run again. */
void os_failing_meanwhile(void (*work)(void));

/* Runs `work` once, at the end of the next call that has extended memory, before its caller has published the
 * extension. */
void os_failing_afterwards(void (*work)(void));

/* Runs `work` once, when the library next asks if a page is mapped, before the answer. */
void os_failing_at_look(void (*work)(void));

/* os_failing_calls returns the number of calls since the count was set back, and os_failing_refusals the number of
 * those that were refused. */
unsigned os_failing_calls(void);
unsigned os_failing_refusals(void);

/* Returns the number of waits for another thread since the count was set back. */
unsigned os_failing_waits(void);

/* Returns the number of calls that stand for mincore since the count was set back. */
unsigned os_failing_looks(void);

/* Returns the bytes of address space that were granted and not released. */
size_t os_failing_held(void);

#endif
