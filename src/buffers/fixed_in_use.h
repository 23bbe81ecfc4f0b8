/*
 * Walks over the blocks of a fixed-size pool that are in use, and reports which code has allocated each block and when.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_IN_USE_H
#define SOCKMALLOC_FIXED_IN_USE_H

#include "buffers/fixed_pool.h"

/* Records, in a pool with SOCKMALLOC_POOL_IN_USE, that the code at `caller` has now allocated the block with this
 * number. */
INTERNAL void fixed_in_use_note(struct fixed_pool *pool, uint32_t number, const void *caller);

/*
 * Marks a live block as free, in a pool with SOCKMALLOC_POOL_IN_USE. Returns FIXED_LIVE if the caller must now put the
 * block into a magazine or the shared free list. Returns FIXED_HELD if a walk over the blocks in use is looking at the
 * block; the walk then puts the block into the shared free list. Returns any other state if the block was not live.
 */
INTERNAL enum fixed_state fixed_in_use_free(struct fixed_pool *pool, uint32_t number);

/* Returns how many blocks are in use. Looks at every block of the pool. */
INTERNAL uint64_t fixed_in_use_count(const struct fixed_pool *pool);

/* Writes a report of all blocks in use to the descriptor. Returns false if the whole report could not be written. */
INTERNAL bool fixed_in_use_report(const struct fixed_pool *pool, int descriptor);

#endif
