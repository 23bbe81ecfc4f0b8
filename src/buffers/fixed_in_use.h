/* Which blocks of a fixed-size pool are in use: walks over them, and the report of who allocated them, and when. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_IN_USE_H
#define SOCKMALLOC_FIXED_IN_USE_H

#include "buffers/fixed_pool.h"

/* Notes who allocated the block and when, for a pool that keeps such records. */
INTERNAL void fixed_in_use_note(struct fixed_pool *pool, uint32_t number, const void *caller);

/*
 * Marks a live block as free, for a pool that keeps records. Returns FIXED_LIVE if the caller now has to put the block
 * into the free list, FIXED_HELD if a walk that looks at the block will do so, and any other state if the block was not
 * live.
 */
INTERNAL enum fixed_state fixed_in_use_free(struct fixed_pool *pool, uint32_t number);

/* Returns how many blocks are in use. Takes time in proportion to the blocks of the pool. */
INTERNAL uint64_t fixed_in_use_count(const struct fixed_pool *pool);

/* Writes the report to the descriptor. Returns false if it did not take all of it. */
INTERNAL bool fixed_in_use_report(const struct fixed_pool *pool, int descriptor);

#endif
