/* What each thread keeps of a fixed-size pool: a private and a public magazine. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_CACHE_H
#define SOCKMALLOC_FIXED_CACHE_H

#include "buffers/fixed_pool.h"

/*
 * The thread alone uses its private magazine, without atomic instructions. The public one belongs to whichever thread
 * gets it by an atomic exchange. A thread whose private magazine is empty or full exchanges its two magazines. If that
 * does not help, it exchanges its private magazine for one of the depot or for the public ones of other threads, and at
 * last turns to the free list of all threads. Nobody waits. (Text 002 of doc/design/pools.md.)
 *
 * A signal handler that interrupts its own thread inside these functions goes past the cache. The record of a thread
 * that has ended stays in the table, with its two magazines, for the next thread.
 */

/* A thread: its cache in each pool, by the pool's number, or fixed_cache_none. */
struct fixed_thread {
    char colour[CACHE_LINE]; /* see TABLE_COLOUR in fixed_table.c */
    struct fixed_cache *cache[FIXED_POOLS];
};

/* Orders what links threads, pools and caches: the creation and the end of each. */
extern INTERNAL struct lock fixed_lock;

/* A cache that is always busy. It stands where a thread has no cache, so that the fast paths need only one comparison.
 */
extern INTERNAL struct fixed_cache fixed_cache_none;

extern INTERNAL _Thread_local struct fixed_thread *fixed_thread_mine __attribute__((tls_model("initial-exec")));

/* Fills in the caches of threads that have none, and makes the key whose destructor sees threads end. Returns false if
 * the process has no key left. */
INTERNAL bool fixed_cache_start(void);

/*
 * Opens the calling thread's cache in the pool. Returns fixed_cache_none if there is none: the pool has FIXED_CACHES
 * caches, memory is short, or the thread is about to end.
 */
INTERNAL struct fixed_cache *fixed_cache_open(struct fixed_pool *pool);

/* Removes the pool's caches from their threads. Runs when the pool is destroyed. The caller holds fixed_lock. */
INTERNAL void fixed_cache_forget(struct fixed_pool *pool);

/*
 * In the child of a fork: closes the caches of all threads but the calling one, and empties all magazines. The caller
 * finds the blocks again by their states.
 */
INTERNAL void fixed_cache_reset(struct fixed_pool *pool);

/*
 * Fills the private magazine, which is empty: from the thread's public one, from those of others, or from the shared
 * free list. Returns false if there is no memory.
 */
INTERNAL bool fixed_cache_refill(struct fixed_pool *pool, struct fixed_cache *cache);

/* Makes room in the private magazine, which is full. */
INTERNAL void fixed_cache_flush(struct fixed_pool *pool, struct fixed_cache *cache);

/* Moves the blocks of the calling thread's own magazines to the shared free list. */
INTERNAL void fixed_cache_empty_own(struct fixed_pool *pool);

/* Moves the blocks of public magazines to the shared free list: of all, or of those unused since the last call. */
INTERNAL void fixed_cache_drain(struct fixed_pool *pool, bool only_idle);

/*
 * Returns the calling thread's cache in the pool, or fixed_cache_none. A thread has no cache in a pool that was
 * destroyed or is of another kind, so that the fast paths need not look at the pool's mark and kind.
 */
FAST_PATH struct fixed_cache *fixed_cache_known(const struct fixed_pool *pool)
{
    return fixed_thread_mine->cache[pool->number];
}

/* Returns the calling thread's cache in the pool, or fixed_cache_none. Opens it at the first call. */
static inline struct fixed_cache *fixed_cache_mine(struct fixed_pool *pool)
{
    struct fixed_cache *cache = fixed_cache_known(pool);
    return cache != &fixed_cache_none ? cache : fixed_cache_open(pool);
}

/* Marks the cache as busy. Returns false if it is busy already, because the caller is a signal handler. */
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

/*
 * Pops a block, marks it as live and returns it, or returns NULL. Only the thread that holds the magazine may call it.
 */
FAST_PATH void *fixed_magazine_pop(struct fixed_magazine *magazine)
{
    uint32_t count = atomic_load_explicit(&magazine->count, memory_order_relaxed);
    if (UNLIKELY(count == 0)) {
        return NULL;
    }
    atomic_store_explicit(&magazine->count, count - 1, memory_order_relaxed);
    struct fixed_item *item = &magazine->item[count - 1];
    atomic_store_explicit(item->state, FIXED_LIVE, memory_order_relaxed);
    return item->block;
}

/* Pushes a block, or returns false if the magazine has `capacity` blocks. */
FAST_PATH bool fixed_magazine_push(struct fixed_magazine *magazine, struct fixed_item item, uint32_t capacity)
{
    uint32_t count = atomic_load_explicit(&magazine->count, memory_order_relaxed);
    if (UNLIKELY(count >= capacity)) {
        return false;
    }
    magazine->item[count] = item;
    atomic_store_explicit(&magazine->count, count + 1, memory_order_relaxed);
    return true;
}

#endif
