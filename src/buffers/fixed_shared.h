/* The free list of a fixed-size pool that all threads share: the stacks of its chunks, and the limit on them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_SHARED_H
#define SOCKMALLOC_FIXED_SHARED_H

#include "buffers/fixed_pool.h"

/* Any thread and any signal handler may call these functions. */

/*
 * Pops up to `wanted` free blocks and stores their numbers. They come from one chunk. Gets a chunk if no block is free.
 * Returns how many blocks it has popped; 0 if there is no memory.
 */
INTERNAL uint32_t fixed_shared_take(struct fixed_pool *pool, uint32_t wanted, uint32_t *numbers);

/* Pops as fixed_shared_take does, but gets no chunk. */
INTERNAL uint32_t fixed_shared_take_free(struct fixed_pool *pool, uint32_t wanted, uint32_t *numbers);

/*
 * Pushes blocks whose state is FIXED_FREE. Beyond the pool's limit, purges them, or gives chunks back that are wholly
 * free then.
 */
INTERNAL void fixed_shared_put(struct fixed_pool *pool, const uint32_t *numbers, uint32_t count);

/* Pops one block, marks it as live and returns it, or returns NULL. */
INTERNAL void *fixed_shared_take_one(struct fixed_pool *pool);

/* Pushes one block. */
INTERNAL void fixed_shared_put_one(struct fixed_pool *pool, void *block);

/* Fills an empty magazine with up to `wanted` blocks as fixed_shared_take does. Returns how many. */
INTERNAL uint32_t fixed_shared_fill(struct fixed_pool *pool, struct fixed_magazine *magazine, uint32_t wanted);

/* Pushes the magazine's blocks and leaves the magazine empty. */
INTERNAL void fixed_shared_flush(struct fixed_pool *pool, struct fixed_magazine *magazine);

#endif
