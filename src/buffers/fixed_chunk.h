/* The chunks of a fixed-size pool: the stack of free blocks that each chunk has, and how the pool gets chunks and gives
 * them back. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_CHUNK_H
#define SOCKMALLOC_FIXED_CHUNK_H

#include "buffers/fixed_pool.h"

/*
 * The stacks of chunks are lock-free: any thread and any signal handler may use them at any time. Threads that add or
 * remove a chunk hold the pool's lock. A signal handler does not get this lock if two things come together: the lock is
 * held, and the handler has interrupted its own thread while that thread held any lock of the library. The handler then
 * adds and removes no chunk.
 */

/* The head of a chunk's stack (see struct fixed_chunk) is one word of three parts. The number of blocks begins at the
 * bit FIXED_COUNT_SHIFT, and the tag at the bit FIXED_TAG_SHIFT. */
enum { FIXED_COUNT_SHIFT = FIXED_INDEX_BITS, FIXED_TAG_SHIFT = 2 * FIXED_INDEX_BITS };

static inline uint32_t fixed_head_top(uint64_t head)
{
    return (uint32_t)head & FIXED_BLOCKS;
}

static inline uint32_t fixed_head_count(uint64_t head)
{
    return (uint32_t)(head >> FIXED_COUNT_SHIFT) & FIXED_BLOCKS;
}

static inline uint64_t fixed_head(const struct fixed_chunk *chunk)
{
    return atomic_load_explicit(&chunk->head, memory_order_acquire);
}

/* Returns how many free blocks are on the stack of the chunk. Blocks in magazines are not among them. */
static inline uint32_t fixed_chunk_count(const struct fixed_pool *pool, uint32_t chunk)
{
    return fixed_head_count(fixed_head(&pool->chunk[chunk]));
}

/* Blocks of one chunk that are linked from the block with the index `first` to the one with the index `last`. */
struct fixed_chain {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

/*
 * Pops up to `wanted` blocks from the chunk's stack by one compare-and-swap, stores their numbers, and returns how many
 * they are. All of these blocks have the state FIXED_FREE afterwards, also blocks that were purged.
 */
INTERNAL uint32_t fixed_chunk_pop(struct fixed_pool *pool, uint32_t chunk, uint32_t wanted, uint32_t *numbers);

/*
 * Pushes a chain of blocks onto the chunk's stack by one compare-and-swap, and puts the chunk into the pool's list
 * `available` if it is not there. Returns how many blocks are on the stack now.
 */
INTERNAL uint32_t fixed_chunk_push(struct fixed_pool *pool, uint32_t chunk, struct fixed_chain chain);

/* Adds a block in front of a chain that no other thread uses yet. */
INTERNAL void fixed_chain_add(struct fixed_pool *pool, uint32_t chunk, struct fixed_chain *chain, uint32_t index);

/*
 * Removes all blocks from the chunk's stack if its head is still `head`. Returns the index of the top block plus one,
 * or 0 if the head has changed.
 */
INTERNAL uint32_t fixed_chunk_take_all(struct fixed_pool *pool, uint32_t chunk, uint64_t head);

/* Puts the chunk into the pool's list `available`, of chunks that have free blocks, if it is not there. */
INTERNAL void fixed_chunk_list(struct fixed_pool *pool, uint32_t chunk);

/* Removes the first chunk from the pool's list `available`, and puts it there again if it has free blocks. */
INTERNAL void fixed_chunk_unlist(struct fixed_pool *pool);

/*
 * Looks at all chunks, and returns the number of the first one with free blocks, or FIXED_NONE. This search is needed,
 * because a chunk with free blocks may be missing from the list `available`: for a moment, or for ever if a thread has
 * died inside fixed_chunk_unlist.
 */
INTERNAL uint32_t fixed_chunk_find(const struct fixed_pool *pool);

/*
 * Gets one more chunk from the kernel or from the program's own allocator. Returns true if the pool has free blocks
 * now. Returns false if there is no memory, if the pool has FIXED_CHUNKS chunks, or if a signal handler cannot get the
 * lock. The program's allocator is called without any lock held, so several threads may call it at once.
 */
INTERNAL bool fixed_chunk_grow(struct fixed_pool *pool);

/*
 * Gives the chunk's memory back if all its blocks are on its stack. Does not do so while the pool has a pin, or while
 * sockmalloc_pool_each walks over the pool's blocks. Returns true if the memory was given back.
 */
INTERNAL bool fixed_chunk_release(struct fixed_pool *pool, uint32_t chunk);

/*
 * Builds the hash table and the list of free chunk numbers anew. Called in the child of a fork, because another thread
 * of the parent may have been changing them at the fork.
 */
INTERNAL void fixed_chunk_index_again(struct fixed_pool *pool);

/* Gives back the memory of all chunks and of their metadata. No thread may use the pool any more. */
INTERNAL void fixed_chunk_close(struct fixed_pool *pool);

/* Adds `count`, which may be negative, to the number of free blocks with pages, if the pool has a limit on these. */
static inline void fixed_keep(struct fixed_pool *pool, int64_t count)
{
    if (pool->limit != UINT64_MAX) {
        atomic_fetch_add_explicit(&pool->kept, count, memory_order_relaxed);
    }
}

/* Adds `amount` to a count of events. Any thread may call this function. */
static inline void fixed_count(_Atomic uint64_t *event, uint64_t amount)
{
    atomic_fetch_add_explicit(event, amount, memory_order_relaxed);
}

#endif
