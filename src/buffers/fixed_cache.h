/* The cache of each thread in a fixed-size pool: a private and a public magazine of free blocks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_CACHE_H
#define SOCKMALLOC_FIXED_CACHE_H

#include "buffers/fixed_pool.h"

/*
 * Only the thread itself uses its private magazine, without atomic instructions. Any thread can get the public one by
 * an atomic exchange.
 *
 * A thread whose private magazine is empty at an allocation, or full at a free, looks in turn for another magazine or
 * for blocks: first it looks at its own public magazine, then at the depot and the public magazines of other threads,
 * and then at the free list that all threads share. No thread waits for another one. (The idea is from "Text 002" in
 * doc/design/pools.md.)
 *
 * If a signal handler has interrupted its own thread inside these functions, the handler does not use the cache but the
 * shared free list. When a thread has ended, its cache with two magazines stays in the pool's table, and the next new
 * thread gets this cache.
 */

/* The record of a thread. cache[n] is the address of the thread's cache in the pool with the number n, or of
 * fixed_cache_none. */
struct fixed_thread {
    /*
     * padding that makes `cache` begin at the offset FIXED_COLOUR_POOLS of its page and not at its start; programs
     * write to the first line of many pages, and the processor delays a load after a store to the same offset of
     * another page
     */
    char colour[CACHE_LINE];
    struct fixed_cache *cache[FIXED_POOLS];
};

/* A lock that is held while a thread's cache in any pool is opened or closed, while a new pool gets its record, and
 * while the caches of a destroyed pool are removed. */
extern INTERNAL struct lock fixed_lock;

/* A cache that is always busy. It stands in place of the cache that a thread does not have, so that the fast paths need
 * only compare `busy`. */
extern INTERNAL struct fixed_cache fixed_cache_none;

/* The record of the calling thread. A thread that has no caches yet, or that has ended, has a record in which each
 * cache is fixed_cache_none. */
extern INTERNAL _Thread_local struct fixed_thread *fixed_thread_mine __attribute__((tls_model("initial-exec")));

/* Prepares the process for caches: makes the key of pthread_key_create whose destructor closes a thread's caches when
 * the thread ends. Returns false if the process can have no more keys. */
INTERNAL bool fixed_cache_start(void);

/*
 * Opens the calling thread's cache in the pool, and returns it. Returns fixed_cache_none if the pool already has
 * FIXED_CACHES caches, if memory is short, or if the thread is ending.
 */
INTERNAL struct fixed_cache *fixed_cache_open(struct fixed_pool *pool);

/* Removes the pool's caches from the records of their threads, because the pool is being destroyed. The caller holds
 * fixed_lock. */
INTERNAL void fixed_cache_forget(struct fixed_pool *pool);

/*
 * Called in the child of a fork: closes the pool's caches of all threads but the calling one, and empties all magazines
 * without freeing their blocks. The caller must then find the free blocks by their states.
 */
INTERNAL void fixed_cache_reset(struct fixed_pool *pool);

/*
 * Refills the private magazine, which is empty: from the thread's public magazine, from the depot, from other threads'
 * public magazines, or from the shared free list. Returns false if there is no memory.
 */
INTERNAL bool fixed_cache_refill(struct fixed_pool *pool, struct fixed_cache *cache);

/* Adds the requests and frees in the cache's tally (its running count) to the counters of the cache, and begins a new
 * tally. The caller has marked the cache as busy. */
INTERNAL void fixed_cache_count(struct fixed_cache *cache);

/* Makes space in the private magazine, which is full: exchanges it for one with space, or moves its blocks to the
 * shared free list. */
INTERNAL void fixed_cache_flush(struct fixed_pool *pool, struct fixed_cache *cache);

/* Moves the blocks of the calling thread's two magazines to the shared free list. */
INTERNAL void fixed_cache_empty_own(struct fixed_pool *pool);

/* Moves the blocks of all public magazines and of the depot to the shared free list. If `only_idle`, does not touch the
 * public magazines of threads that have exchanged their two magazines since the last call of this function. The caller
 * holds the pool's lock. */
INTERNAL void fixed_cache_drain(struct fixed_pool *pool, bool only_idle);

/*
 * Returns the cache that the calling thread has in the pool, or fixed_cache_none. A thread has no cache in a pool that
 * was destroyed, or whose kind has no thread caches. fixed_cache_none is always busy, so the fast paths check neither
 * that the pool is open nor its kind.
 */
FAST_PATH struct fixed_cache *fixed_cache_known(const struct fixed_pool *pool)
{
    return fixed_thread_mine->cache[pool->number];
}

/* Returns the calling thread's cache in the pool, and opens it if the thread has none yet. Returns fixed_cache_none if
 * it cannot be opened. */
static inline struct fixed_cache *fixed_cache_mine(struct fixed_pool *pool)
{
    struct fixed_cache *cache = fixed_cache_known(pool);
    return cache != &fixed_cache_none ? cache : fixed_cache_open(pool);
}

/* Marks the cache as busy. Returns false if it is busy already: then the caller is a signal handler that has
 * interrupted its thread inside the cache. */
FAST_PATH bool fixed_cache_enter(struct fixed_cache *cache)
{
    if (UNLIKELY(atomic_load_explicit(&cache->busy, memory_order_relaxed) != 0)) {
        return false;
    }
    atomic_store_explicit(&cache->busy, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

FAST_PATH void fixed_cache_leave(struct fixed_cache *cache)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&cache->busy, 0, memory_order_relaxed);
}

FAST_PATH uint64_t fixed_cache_tally(const struct fixed_cache *cache)
{
    return atomic_load_explicit(&cache->tally, memory_order_relaxed);
}

/*
 * Pops a block of the private magazine and marks it as live. Returns the magazine's item for the block, with the
 * addresses of the block and of its state; the next push overwrites the item. Returns NULL if the magazine is empty.
 * The caller has marked the cache as busy.
 */
FAST_PATH const struct fixed_item *fixed_cache_pop(struct fixed_cache *cache)
{
    uint64_t tally = fixed_cache_tally(cache);
    if (UNLIKELY(fixed_tally_blocks(tally) == 0)) {
        return NULL;
    }
    tally--;
    atomic_store_explicit(&cache->tally, tally, memory_order_relaxed);
    const struct fixed_item *item = &cache->private_magazine->item[fixed_tally_blocks(tally)];
    atomic_store_explicit(item->state, FIXED_LIVE, memory_order_relaxed);
    return item;
}

/*
 * Pushes a block to the private magazine, or returns false if the magazine has `capacity` blocks. Sets *due to true if
 * the caller must now call tick, which gives back memory that has been free for long. The caller has marked the cache
 * as busy.
 */
FAST_PATH bool fixed_cache_push(struct fixed_cache *cache, struct fixed_item item, uint32_t capacity, bool *due)
{
    uint64_t tally = fixed_cache_tally(cache);
    uint32_t blocks = fixed_tally_blocks(tally);
    if (UNLIKELY(blocks >= capacity)) {
        return false;
    }
    cache->private_magazine->item[blocks] = item;
    tally += FIXED_TALLY_STEP + 1;
    atomic_store_explicit(&cache->tally, tally, memory_order_relaxed);
    *due = (int64_t)tally < 0;
    return true;
}

#endif
