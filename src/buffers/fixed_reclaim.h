/* Gives the memory of a fixed-size pool's free blocks back: whole chunks, or the pages of free blocks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_RECLAIM_H
#define SOCKMALLOC_FIXED_RECLAIM_H

#include "buffers/fixed_pool.h"

/*
 * While the pool is pinned or walked, none of these functions does anything. Pages are purged only where the memory
 * comes from the kernel; the chunks of the program's own allocator go back as a whole or stay.
 */

/*
 * Gives the memory of the chunk's `idle` free blocks back that were pushed first. If these are all blocks of the chunk,
 * gives back the chunk, unless the pool keeps its addresses. Otherwise purges the pages that only these blocks lie in.
 * Returns the number of bytes given back.
 */
INTERNAL size_t fixed_reclaim(struct fixed_pool *pool, uint32_t chunk, uint32_t idle);

/*
 * Purges the pages of a block that is free and lies in no stack. Returns false, with nothing changed, if the block does
 * not fill whole pages or the kernel refuses.
 */
INTERNAL bool fixed_purge_block(struct fixed_pool *pool, uint32_t number);

/* Reclaims every chunk. Returns the number of bytes given back. */
INTERNAL size_t fixed_reclaim_all(struct fixed_pool *pool);

/*
 * One tick: reclaims blocks that were free for the pool's age. Returns true if the time for a tick had come, which is
 * so four times in the pool's age. Must be called after every FIXED_TICK_FREES frees.
 */
INTERNAL bool fixed_reclaim_old(struct fixed_pool *pool);

#endif
