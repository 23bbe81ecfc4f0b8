/* The record of a thread's cache: the data that a thread keeps for each bucket, and the functions that the fast paths
 * call on it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CACHE_RECORD_H
#define SOCKMALLOC_CACHE_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/colour.h"
#include "base/counter.h"
#include "cache/magazine.h"
#include "memory/bucket.h"

/*
 * One bucket's part of a thread's cache. Three pointers divide the thread's private magazine, an array of free slots
 * that grows to the right:
 *
 *     magazine->slot                                        magazine->slot + quota
 *     |                                                     |
 *     | cold slots   | warm slots      | warm places        | cold places ...
 *     +--------------+-----------------+--------------------+----------------
 *                    floor             top                  ceiling
 *
 * malloc pops top[-1] unless top <= floor, and free stores at top[0] unless top == ceiling; else they take the slow
 * path. When a magazine becomes the private one, its floor is magazine->slot and its ceiling is at the quota, so no
 * slot and no place is cold. cache_mark_cold moves floor and ceiling to the top. Each malloc of a cold slot then lowers
 * the floor by one place, and each free to a cold place raises the ceiling by one. cache_force_slow moves the floor
 * alone. Without a magazine all three pointers are NULL, so malloc finds no slot, as in an empty magazine, and free
 * finds no place, as in a full one. So threads without a cache and the buckets of the large pool reach the slow path
 * without an additional test. A large bucket of which the thread keeps a spare slot (cache_keep_spare) has a private
 * magazine with room for one slot.
 *
 * The fast paths touch this cache line of the cache and no other. Only the owner thread and its signal handlers write
 * to it, with the one exception of `public_magazine`.
 */
struct cache_bin {
    /* atomic, because threads that write reports read `top` of other threads */
    _Alignas(CACHE_LINE) _Atomic(void **) top;
    /* always an address inside the magazine, so that cache_private can find the magazine by it */
    void **floor;
    void **ceiling; /* at most magazine->slot + quota */
    /* the owner of the cache exchanges this pointer; other threads may only change it to NULL */
    _Atomic(struct magazine *) public_magazine;
    /* the mark that malloc writes into the metadata of each slot that the cache's thread allocates (slot_meta_owner);
     * it is equal in all bins of a cache */
    uint32_t owner;
    uint8_t live; /* the state byte that a live slot of the bucket has in its metadata */
#define CACHE_COUNTER(name, help) struct counter name;
    /*
     * In a thread's cache, `returned` is a negative number: minus the number of frees until the next tick (a free that
     * reads the clock). Each free adds 1. In cache_shared, `returned` counts all frees, because ticks do not depend on
     * it there.
     */
    COUNTER_FAST_ROWS(CACHE_COUNTER)
};

/* One bucket's part of a thread's cache that slow paths and the short path of the large pool write to. */
struct cache_tally {
    COUNTER_SLOW_ROWS(CACHE_COUNTER)
#undef CACHE_COUNTER
    struct counter armed; /* `armed` plus the bin's `returned` is how often the thread has freed a slot of the bucket */
    /* the number of slots that the thread had allocated, minus the number that it had freed, when pool_count_live last
     * added both to the bucket's number of live slots */
    uint32_t folded;
    uint32_t seen; /* the sum of requests and frees when training last checked if the bucket was in use */
    /* how many slots each of the two magazines may hold; 0 if the cache has no magazines of the bucket */
    _Atomic uint32_t quota;
    /* how many slow paths the bucket has had while the cache has no quota for it; after TRAINING_PROMOTION of them,
     * training sets a quota */
    uint16_t score;
    /* the number of misses and of exchanges of magazines since training last changed the quota, with the weights
     * CACHE_MISS and CACHE_SWAP */
    uint16_t want;
    /* the number of the next new slot to allocate, of those that were carved for this thread */
    _Atomic uint32_t fresh;
    /* how many of the new slots that were carved for this thread have not been allocated yet */
    _Atomic uint32_t fresh_left;
    /*
     * How many requests the bucket had when the cache was last checked for slots that lie unused. For a small bucket,
     * cache_collect_idle checks the public magazine; for a large bucket, cache_drop_spares checks the spare slot (the
     * free slot that the thread keeps).
     */
    _Atomic uint32_t watched;
    /* the smallest number of slots that a tick (a free that reads the clock) has found in the private magazine since
     * training_rest last lowered quotas */
    uint16_t least;
    /* how many slots of the bucket the thread had freed, modulo 65536, when it last took a sample for the histogram of
     * request sizes (pool_sample) */
    uint16_t sampled;
};

/*
 * How much each event counts when training decides whether to raise a quota. A miss counts more than a swap of the two
 * magazines, because a swap takes one atomic exchange, and a miss uses the depot or another thread's magazine, to whose
 * cache lines other threads write.
 */
enum { CACHE_SWAP = 1, CACHE_MISS = 8 };

/* The data of a cache that do not belong to one bucket. Only slow paths write to them. */
struct cache_state {
    /* how many slow paths the thread has had since training last lowered the quotas of unused buckets */
    uint32_t events;
    /* the number of the record at which the next cache_walk begins to look for another thread's magazine */
    uint32_t victim;
    uint32_t interval; /* how many frees of a bucket lie between two ticks (frees that read the clock) */
    /* the first bucket that may use the short path of the large pool; all larger buckets may use it too (see
     * cache_set_usual) */
    uint32_t usual;
    /* true if pages are due to be purged; then each malloc takes the slow path and purges a few pages */
    bool more;
    /* true if a free has already made the next tick (a free that reads the clock) come sooner since the coarse clock
     * last advanced */
    bool hastened;
    uint32_t awaited; /* bit b is set if pool_sample_rest has arranged that the next free of bucket b is sampled */
    uint64_t ticked;  /* what clock_now returned at the last tick (a free that reads the clock) */
    uint64_t rested;  /* what clock_now returned when training_rest last lowered quotas */
};

/*
 * The cache of one thread, which fills a page of 4 KiB. A bin is the part of it that the fast paths use for one bucket.
 * The bins lie at the same offset of the page (COLOUR_BINS) in all caches.
 */
struct cache {
    struct cache_tally tally[BUCKET_LIMIT];
    struct cache_state state;
    char colour[COLOUR_BINS - BUCKET_LIMIT * sizeof(struct cache_tally) - sizeof(struct cache_state)];
    struct cache_bin bin[BUCKET_LIMIT];
};

_Static_assert(sizeof(struct cache) == COLOUR_PAGE, "records of caches lie at pages");
_Static_assert(sizeof(struct cache_bin) == CACHE_LINE, "a fast path touches one line of a cache");

/* The cache of the calling thread. It is cache_none until the thread's first slow path, and cache_shared if the
 * thread has no cache or has closed it at its end. */
extern INTERNAL _Thread_local struct cache *cache_mine __attribute__((tls_model("initial-exec")));

/*
 * cache_none and cache_shared stand in place of the cache of a thread that has none. They never have magazines, so each
 * malloc and free takes the slow path. All threads without a cache count their events in cache_shared, several of them
 * at the same time.
 */
extern INTERNAL struct cache cache_none;
extern INTERNAL struct cache cache_shared;

/* Returns true if the cache belongs to one thread, and is neither cache_none nor cache_shared. */
static inline bool cache_is_own(const struct cache *cache)
{
    return cache != &cache_none && cache != &cache_shared;
}

/* Returns the private magazine of a bin, or NULL if it has none. */
static inline struct magazine *cache_private(const struct cache_bin *bin)
{
    return magazine_of(bin->floor);
}

/* Returns the bin of a bucket. `line` is the bucket's number times the size of a cache line (bucket_offset). */
FAST_PATH struct cache_bin *cache_bin_at(struct cache *cache, size_t line)
{
    return (struct cache_bin *)(void *)((char *)cache->bin + line);
}

/* Returns the bin of a bucket by the bucket's number: &cache->bin[bucket], in fewer instructions. */
FAST_PATH struct cache_bin *cache_bin_of(struct cache *cache, size_t bucket)
{
    return cache_bin_at(cache, opaque(bucket_offset_of(bucket)));
}

/* Returns the number of the bucket that a bin belongs to. */
FAST_PATH size_t cache_bucket_of(const struct cache *cache, const struct cache_bin *bin)
{
    return (size_t)(bin - cache->bin);
}

/* Pops the slot on top of the private magazine. Returns NULL if no slot lies above the floor. Price: three loads, a
 * comparison, a store. */
FAST_PATH void *cache_pop(struct cache_bin *bin)
{
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (UNLIKELY(top <= bin->floor)) {
        return NULL;
    }
    void *slot = top[-1];
    if (slot == NULL) {
        /* tells the compiler that `slot` is not NULL, so that the caller's test for NULL is not compiled twice */
        __builtin_unreachable();
    }
    atomic_store_explicit(&bin->top, top - 1, memory_order_relaxed);
    return slot;
}

/* Pushes a slot onto the private magazine. Returns false if the top has reached the ceiling. Price: two loads, a
 * comparison, two stores. */
FAST_PATH bool cache_push(struct cache_bin *bin, void *slot)
{
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (UNLIKELY(top == bin->ceiling)) {
        return false;
    }
    *top = slot;
    /* keeps the order of the two stores, because a signal handler may use the magazine between them */
    atomic_signal_fence(memory_order_release);
    atomic_store_explicit(&bin->top, top + 1, memory_order_relaxed);
    return true;
}

#endif
