/*
 * The free list that all threads share in a fixed-size pool. It consists of the stacks of free blocks that the chunks
 * have. A pool may limit how many blocks in this list keep their pages. When the limit is reached, the pool purges
 * blocks or gives chunks back.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_SHARED_H
#define SOCKMALLOC_FIXED_SHARED_H

#include "buffers/fixed_pool.h"

/* Any thread and any signal handler may call the functions of this file. */

/*
 * Pops up to `wanted` free blocks of one chunk and stores their numbers. If no block is free, gets another chunk.
 * Returns how many blocks it has popped; 0 if there is no memory.
 */
INTERNAL uint32_t fixed_shared_take(struct fixed_pool *pool, uint32_t wanted, uint32_t *numbers);

/* Pops free blocks as fixed_shared_take does, but does not get another chunk. Returns 0 if no block is free. */
INTERNAL uint32_t fixed_shared_take_free(struct fixed_pool *pool, uint32_t wanted, uint32_t *numbers);

/*
 * Pushes blocks that are marked as free (FIXED_FREE). A pool may limit how many free blocks outside magazines keep
 * their pages. If this limit is reached, purges blocks, or gives back chunks all of whose blocks are free.
 */
INTERNAL void fixed_shared_put(struct fixed_pool *pool, const uint32_t *numbers, uint32_t count);

/* Pops one block, marks it as live and returns it. Returns NULL if there is no memory. */
INTERNAL void *fixed_shared_take_one(struct fixed_pool *pool);

/* Pushes one block as fixed_shared_put does. */
INTERNAL void fixed_shared_put_one(struct fixed_pool *pool, void *block);

/* Pops up to `wanted` blocks as fixed_shared_take does, and puts them into an empty magazine. Returns how many they
 * are. */
INTERNAL uint32_t fixed_shared_fill(struct fixed_pool *pool, struct fixed_magazine *magazine, uint32_t wanted);

/* Pushes all blocks of the magazine onto the stacks of their chunks, and empties the magazine. */
INTERNAL void fixed_shared_flush(struct fixed_pool *pool, struct fixed_magazine *magazine);

#endif
