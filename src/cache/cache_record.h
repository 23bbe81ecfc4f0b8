/* The record of a cache: what a thread has of each bucket, and what fast paths do with it. */
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
 * path. A magazine that comes in has its floor at magazine->slot and its ceiling at the quota, as if nothing were cold.
 * cache_mark_cold moves both to the top, and each cold alloc or free then moves one of them by one place.
 * cache_force_slow moves the floor alone. Without a magazine all three pointers are NULL, which reads as empty and as
 * full at once: threads without a cache and the buckets of the large pool reach the slow path without a test of their
 * own.
 *
 * The fast paths touch this cache line of the cache and no other. Only the owner thread and its signal handlers write
 * to it, with the one exception of `public_magazine`.
 */
struct cache_bin {
    _Alignas(CACHE_LINE) _Atomic(void **) top;  /* atomic, because threads that make reports read it */
    void **floor;                               /* inside the magazine at all times, so that cache_private finds it */
    void **ceiling;                             /* magazine->slot + quota at most */
    _Atomic(struct magazine *) public_magazine; /* the owner exchanges it; other threads may change it to NULL */
    uint32_t owner;                             /* slot_meta_owner of the thread; equal in all bins of a cache */
    uint8_t live;                               /* the metadata byte of a live slot of the bucket */
#define CACHE_COUNTER(name, help) struct counter name;
    COUNTER_FAST_ROWS(CACHE_COUNTER) /* `returned` counts up to 0 from minus the interval of ticks: cache_arm */
};

/* What only slow paths write of one bucket's part of a cache. */
struct cache_tally {
    COUNTER_SLOW_ROWS(CACHE_COUNTER)
#undef CACHE_COUNTER
    struct counter armed;        /* what the bin's `returned` is less than the truth: see cache_arm */
    uint32_t folded;             /* requests - returned when the bucket's peak was last brought up to date */
    uint32_t seen;               /* requests + returned when training last looked for idleness */
    _Atomic uint32_t quota;      /* slots that each of the two magazines may hold; 0: none is there */
    uint16_t score;              /* uses without a quota, towards promotion */
    uint16_t want;               /* CACHE_MISS a miss and CACHE_SWAP a swap, since the quota last changed */
    _Atomic uint32_t fresh;      /* the next slot of a run that was carved for this thread ... */
    _Atomic uint32_t fresh_left; /* ... and how many are left of the run */
    _Atomic uint32_t watched;    /* requests when cache_collect_idle last came by */
    uint16_t least;              /* fewest slots seen in the private magazine since `rested` */
    uint16_t sampled;            /* the low half of the frees that the histogram knows of: see pool_sample */
};

/* How much more a miss says for a larger quota than a swap, which costs a single exchange. */
enum { CACHE_SWAP = 1, CACHE_MISS = 8 };

/* What only slow paths write of a cache as a whole. */
struct cache_state {
    uint32_t events;   /* slow paths, up to the next look for idle buckets */
    uint32_t victim;   /* record whose public magazines the next walk looks at first */
    uint32_t interval; /* frees of a bucket from one tick to the next */
    uint32_t usual;    /* large buckets from here on are as cache_set_usual says */
    bool more;         /* pages are due to go back: takes are halted, for a step each */
    bool hastened;     /* ticks were made to come soon, since the clock last went on */
    uint32_t awaited;  /* a bit for each bucket whose next free is drawn: see pool_sample_rest */
    uint64_t ticked;   /* when the last tick was, as clock_now says */
    uint64_t rested;   /* when training last looked what the thread can do without */
};

/* A page of its own for each thread: the bins of all threads have the same colour. */
struct cache {
    struct cache_tally tally[BUCKET_LIMIT];
    struct cache_state state;
    char colour[COLOUR_BINS - BUCKET_LIMIT * sizeof(struct cache_tally) - sizeof(struct cache_state)];
    struct cache_bin bin[BUCKET_LIMIT];
};

_Static_assert(sizeof(struct cache) == COLOUR_PAGE, "records of caches lie at pages");
_Static_assert(sizeof(struct cache_bin) == CACHE_LINE, "a fast path touches one line of a cache");

/*
 * The calling thread's cache. Before its first slow path it is cache_none, after its exit
 * cache_shared: both hold nothing and never will.
 */
extern INTERNAL _Thread_local struct cache *cache_mine __attribute__((tls_model("initial-exec")));

/* The cache of threads that have none: no magazines; only its counters are used, by several threads
 * at once. */
extern INTERNAL struct cache cache_none;
extern INTERNAL struct cache cache_shared;

/* Whether it is a thread's own: neither of the two that stand for none. */
static inline bool cache_is_own(const struct cache *cache)
{
    return cache != &cache_none && cache != &cache_shared;
}

/* The private magazine, or NULL. */
static inline struct magazine *cache_private(const struct cache_bin *bin)
{
    return magazine_of(bin->floor);
}

/* A bucket's bin, by its line. */
FAST_PATH struct cache_bin *cache_bin_at(struct cache *cache, size_t line)
{
    return (struct cache_bin *)(void *)((char *)cache->bin + line);
}

/* The same by its number: as &cache->bin[bucket], in fewer instructions. */
FAST_PATH struct cache_bin *cache_bin_of(struct cache *cache, size_t bucket)
{
    return cache_bin_at(cache, opaque(bucket_offset_of(bucket)));
}

/* The bucket of a bin. */
FAST_PATH size_t cache_bucket_of(const struct cache *cache, const struct cache_bin *bin)
{
    return (size_t)(bin - cache->bin);
}

/* A free slot of the private magazine, or NULL. Price: two loads, a comparison, a store. */
FAST_PATH void *cache_pop(struct cache_bin *bin)
{
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (UNLIKELY(top <= bin->floor)) {
        return NULL;
    }
    void *slot = top[-1];
    if (slot == NULL) {
        __builtin_unreachable(); /* saves the caller's test a second one */
    }
    atomic_store_explicit(&bin->top, top - 1, memory_order_relaxed);
    return slot;
}

/* Puts a slot into the private magazine, unless that is full. Price: a load, a comparison, two
 * stores. */
FAST_PATH bool cache_push(struct cache_bin *bin, void *slot)
{
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (UNLIKELY(top == bin->ceiling)) {
        return false;
    }
    *top = slot;
    atomic_signal_fence(memory_order_release); /* a handler in between takes and gives above it */
    atomic_store_explicit(&bin->top, top + 1, memory_order_relaxed);
    return true;
}

#endif
