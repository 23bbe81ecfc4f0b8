/* Holes: pieces of the pools' range whose addresses were given back, to be claimed again. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_HOLE_H
#define SOCKMALLOC_HOLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * What limits charge for memory (RLIMIT_AS, RLIMIT_DATA, strict overcommit) goes back only with its
 * addresses. A hole is claimed again from its front, by extending the mapping before it, so that
 * name and advice are inherited and the two become one. Each hole splits a mapping, of which a
 * process may have 65,530: hence their number is limited, and none is shorter than HOLE_LEAST.
 *
 * All numbers are of granules of the range, which are pages of 4 KiB. Any thread; a handler that
 * interrupted its own thread in here finds no hole, and makes none.
 */
enum { HOLES_MAX = 1000, HOLE_LEAST = 256 << 10 };

struct hole {
    uint32_t first;
    uint32_t pages;
};

/*
 * Unmaps what shall be a hole, whose slots nobody has any more; `range` is page 0. `backed` says
 * that the page before it is mapped, and the caller's: it is what the hole is claimed from. Another
 * hole there will do, too. Returns false, with nothing changed, if it is neither, if there are too
 * many holes, or if the kernel refuses.
 */
bool hole_open(char *range, uint32_t first, uint32_t pages, bool backed);

/* Lets what hole_open has unmapped be claimed again. Between the two the thread has all holes to
 * itself: nobody extends a mapping that is just going. */
void hole_close(uint32_t first, uint32_t pages);

/*
 * Claims up to `wanted` pieces of `pages` pages each, side by side, from a hole. Returns how many,
 * and sets `first`: none if no hole is that long, or memory is short.
 */
uint32_t hole_fill(char *range, uint32_t pages, uint32_t wanted, uint32_t *first);

/* Forgets all holes: their addresses stay unused. In the child of a fork, which may have caught
 * another thread in here. */
void hole_reset(void);

#endif
