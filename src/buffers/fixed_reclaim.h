/* Gives back memory of the free blocks of a fixed-size pool: whole chunks, or pages on which all blocks are free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_RECLAIM_H
#define SOCKMALLOC_FIXED_RECLAIM_H

#include "buffers/fixed_pool.h"

/*
 * While the pool is pinned, or while sockmalloc_pool_each walks over its blocks, the functions of this file give
 * nothing back. Pages are purged only in memory that comes from the kernel. A chunk from the program's own allocator is
 * given back as a whole or not at all.
 */

/*
 * Gives back the memory of the lowest blocks on the chunk's stack of free blocks, which were pushed first; `idle` is
 * their number. If these are all blocks of the chunk, gives the chunk back, unless the pool must keep its addresses.
 * Otherwise purges the pages on which only these blocks lie. Returns how many bytes were given back.
 */
INTERNAL size_t fixed_reclaim(struct fixed_pool *pool, uint32_t chunk, uint32_t idle);

/*
 * Purges the pages of a free block that lies on no stack. Returns false, and changes nothing, if the block does not
 * consist of whole pages or if the kernel refuses.
 */
INTERNAL bool fixed_purge_block(struct fixed_pool *pool, uint32_t number);

/*
 * fixed_purge_block takes no lock, so a pin that was just added waits until the purges that have not seen it are over:
 * fixed_await_purges. A signal handler that has interrupted such a purge in its own thread would wait for ever;
 * fixed_is_purging returns true then.
 */
INTERNAL bool fixed_is_purging(void);
INTERNAL void fixed_await_purges(struct fixed_pool *pool);

/* Gives back the memory of all free blocks, chunk by chunk. Returns how many bytes were given back. */
INTERNAL size_t fixed_reclaim_all(struct fixed_pool *pool);

/*
 * Gives back the memory of blocks that have been free for the pool's age, a time that the program has set. Returns
 * false, and does nothing, if less than a quarter of that time has passed since the last call that returned true. Must
 * be called after every FIXED_TICK_FREES frees.
 */
INTERNAL bool fixed_reclaim_old(struct fixed_pool *pool);

#endif
