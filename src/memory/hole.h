/*
 * Holes: parts of the range of slots that were unmapped, so that their addresses no longer count against limits. They
 * can be mapped again.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_HOLE_H
#define SOCKMALLOC_HOLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * Limits on memory (RLIMIT_AS, RLIMIT_DATA, strict overcommit) count mapped addresses, so only unmapping lowers the
 * count. The addresses of a hole are mapped again by extending the mapping before the hole into it. So the new pages
 * belong to that mapping, and have its name and its advice. Each hole splits a mapping, and the kernel allows a process
 * 65,530 mappings; so there are HOLES_MAX holes at most, and pool_return unmaps nothing shorter than HOLE_LEAST bytes.
 *
 * All numbers below are pages of 4 KiB, counted from the start of the range. Any thread may call these functions. A
 * signal handler that interrupts its own thread in one of these functions can use no hole and make none.
 */
enum { HOLES_MAX = 1000, HOLE_LEAST = 256 << 10 };

/* A hole: its first page and its length in pages. */
struct hole {
    uint32_t first;
    uint32_t pages;
};

/*
 * Unmaps `pages` pages from `first` on, whose slots no thread can allocate any more. `range` is the address of page 0.
 * `backed` is true if the page before `first` is mapped and belongs to the range; the hole will later be filled by
 * extending the mapping of that page. If `backed` is false, a hole must end at `first`; the two holes then become one.
 * Returns false, with nothing changed, if `backed` is false and no hole ends at `first`, if another thread is busy with
 * holes, if there are HOLES_MAX holes, or if the kernel refuses. If the function returns true, the caller must call
 * hole_close next.
 */
bool hole_open(char *range, uint32_t first, uint32_t pages, bool backed);

/*
 * Adds the pages that hole_open has unmapped to the holes. Between hole_open and hole_close no other thread can fill a
 * hole. This is needed because filling a hole extends the mapping before the hole, and hole_open may just be unmapping
 * pages of that mapping.
 */
void hole_close(uint32_t first, uint32_t pages);

/*
 * Maps up to `wanted` pieces of `pages` pages each, side by side, at the start of the first hole that is long enough.
 * Returns how many pieces were mapped, and stores the number of their first page in `first`. Returns 0 if no hole is
 * long enough, if another thread is using the holes, or if memory is short.
 */
uint32_t hole_fill(char *range, uint32_t pages, uint32_t wanted, uint32_t *first);

/*
 * Removes all holes from the list; their addresses stay unused. This function runs in the child of a fork, because a
 * thread of the parent may have been changing the holes at the fork.
 */
void hole_reset(void);

#endif
