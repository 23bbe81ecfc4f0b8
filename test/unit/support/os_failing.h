/* The os room with a kernel that refuses: linked in place of os.c, it fails at a test's wish. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OS_FAILING_H
#define SOCKMALLOC_TEST_OS_FAILING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Counted are the calls that stand for an mmap, mremap or madvise. */

/*
 * Counts anew, and refuses the calls with the numbers `first` to `last`; the next one is number 1.
 */
void os_failing_between(unsigned first, unsigned last);

/* The same for all from `first` on, for every n-th, and for none. */
void os_failing_from(unsigned first);
void os_failing_every(unsigned n);
void os_failing_never(void);

/* Refuses to unmap anything, or no longer does. */
void os_failing_keep_mapped(bool keeps);

/*
 * Runs `work` once, in the middle of the next call that extends, maps or unmaps memory: what
 * another thread would do that is faster. Calls that `work` itself makes are ordinary ones.
 */
void os_failing_meanwhile(void (*work)(void));

/* The same at the end of the next call that has extended memory, of which its caller has not said
 * anything yet. */
void os_failing_afterwards(void (*work)(void));

/* Runs `work` once, at the next question if a page is mapped, before it is answered. */
void os_failing_at_look(void (*work)(void));

/* Calls since then, and those that were refused. */
unsigned os_failing_calls(void);
unsigned os_failing_refusals(void);

/* Calls since then that wait for another thread. */
unsigned os_failing_waits(void);

/* Calls since then that stand for a mincore. */
unsigned os_failing_looks(void);

/* Bytes of address space that were granted and not released. */
size_t os_failing_held(void);

#endif
