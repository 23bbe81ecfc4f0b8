/* The chunks of a fixed-size pool: each one's stack of free blocks, and how chunks come and go. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_CHUNK_H
#define SOCKMALLOC_FIXED_CHUNK_H

#include "buffers/fixed_pool.h"

/*
 * The stacks are lock-free: any thread and any signal handler may use them at any time. The pool's lock orders threads
 * that change the set of chunks. A signal handler that interrupts its own thread inside a lock, while another thread
 * holds the pool's lock, gets no lock and then changes nothing.
 */

/* The number parts of a head. */
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

/* Returns how many blocks of the chunk are free, outside of magazines. */
static inline uint32_t fixed_chunk_count(const struct fixed_pool *pool, uint32_t chunk)
{
    return fixed_head_count(fixed_head(&pool->chunk[chunk]));
}

/* A chain of blocks of one chunk, linked from `first` to `last`, which are indices. */
struct fixed_chain {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

/*
 * Pops up to `wanted` blocks from the chunk by one compare-and-swap, and stores their numbers. Returns how many. Blocks
 * that were purged become FIXED_FREE.
 */
INTERNAL uint32_t fixed_chunk_pop(struct fixed_pool *pool, uint32_t chunk, uint32_t wanted, uint32_t *numbers);

/*
 * Pushes a chain onto the chunk's stack by one compare-and-swap, and puts the chunk into `available` if it is not
 * there. Returns how many free blocks the stack had then.
 */
INTERNAL uint32_t fixed_chunk_push(struct fixed_pool *pool, uint32_t chunk, struct fixed_chain chain);

/* Puts a block in front of a chain that no other thread can see yet. */
INTERNAL void fixed_chain_add(struct fixed_pool *pool, uint32_t chunk, struct fixed_chain *chain, uint32_t index);

/*
 * Takes the chunk's whole stack if its head is still `head`. Returns the index of the top block plus one, or 0 if the
 * head has changed.
 */
INTERNAL uint32_t fixed_chunk_take_all(struct fixed_pool *pool, uint32_t chunk, uint64_t head);

/* Puts the chunk into `available` if it is not there. */
INTERNAL void fixed_chunk_list(struct fixed_pool *pool, uint32_t chunk);

/* Removes the top chunk from `available`, or leaves it there if it has free blocks. */
INTERNAL void fixed_chunk_unlist(struct fixed_pool *pool);

/*
 * Returns a chunk that has free blocks, or FIXED_NONE. Looks at all chunks, because one that has free blocks may be
 * missing from `available`, for a moment or because a thread ended inside fixed_chunk_unlist.
 */
INTERNAL uint32_t fixed_chunk_find(const struct fixed_pool *pool);

/*
 * Gets one more chunk, from the program's own allocator or from the kernel. Returns true if the pool has free blocks
 * now. Returns false if there is no memory, if the pool has FIXED_CHUNKS chunks, or in a signal handler that gets no
 * lock. The program's allocator is called without any lock, so that several threads may call it at once.
 */
INTERNAL bool fixed_chunk_grow(struct fixed_pool *pool);

/*
 * Gives the chunk back if all of its blocks lie in its stack and nothing holds the pool's memory. Returns true if the
 * chunk is gone.
 */
INTERNAL bool fixed_chunk_release(struct fixed_pool *pool, uint32_t chunk);

/*
 * Makes the hash table and the list of spare numbers anew, in the child of a fork, where another thread may have been
 * changing them.
 */
INTERNAL void fixed_chunk_index_again(struct fixed_pool *pool);

/* Gives all chunks and metadata back. No thread uses the pool any more. */
INTERNAL void fixed_chunk_close(struct fixed_pool *pool);

/* Subtracts blocks from the count of free blocks with pages, if there is a limit on them; `count` may be negative. */
static inline void fixed_keep(struct fixed_pool *pool, int64_t count)
{
    if (pool->limit != UINT64_MAX) {
        atomic_fetch_add_explicit(&pool->kept, count, memory_order_relaxed);
    }
}

/* Counts an event, from any thread. */
static inline void fixed_count(_Atomic uint64_t *event, uint64_t amount)
{
    atomic_fetch_add_explicit(event, amount, memory_order_relaxed);
}

#endif
