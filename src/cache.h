/* The caches: what one thread holds per bucket, a private magazine and a public one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CACHE_H
#define SOCKMALLOC_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attributes.h"
#include "bucket.h"
#include "colour.h"
#include "counter.h"
#include "magazine.h"

/*
 * One bucket's part of a cache. The free slots of the private magazine are floor[0] .. top[-1]; it
 * is full when top is the ceiling. Without a magazine all three are NULL, which reads as empty and
 * as full at once: that is how threads without a cache, and the large pool's buckets, reach the
 * slow path without a test of their own. The first cache line is all that the fast paths touch.
 */
struct cache_bin {
    _Alignas(CACHE_LINE) _Atomic(void **) top; /* read by whoever reports */
    void **floor;
    void **ceiling;
    struct magazine *private_magazine;
    _Atomic(struct magazine *) public_magazine; /* changed only by exchange */
#define CACHE_COUNTER(name, help) struct counter name;
    COUNTER_FAST_ROWS(CACHE_COUNTER)
};

/* What only slow paths write of one bucket's part of a cache. */
struct cache_tally {
    COUNTER_SLOW_ROWS(CACHE_COUNTER)
#undef CACHE_COUNTER
    uint64_t folded; /* requests - returned when the bucket's peak was last brought up to date */
};

/* A page of its own for each thread: the bins of all threads have the same colour. */
struct cache {
    struct cache_tally tally[BUCKET_LIMIT];
    char colour[COLOUR_BINS - BUCKET_LIMIT * sizeof(struct cache_tally)];
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

/* A bucket's bin: as &cache->bin[bucket], in fewer instructions. */
FAST_PATH struct cache_bin *cache_bin_of(struct cache *cache, size_t bucket)
{
    char *first = (char *)cache->bin;
    return (struct cache_bin *)(void *)(first + opaque(bucket * sizeof(struct cache_bin)));
}

/* A free slot of the private magazine, or NULL. Price: two loads, a comparison, a store. */
FAST_PATH void *cache_pop(struct cache_bin *bin)
{
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (UNLIKELY(top == bin->floor)) {
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
    atomic_store_explicit(&bin->top, top + 1, memory_order_relaxed);
    return true;
}

/* Address space for the table of caches beside lanes of that distance; and laying it out. At birth.
 */
void cache_set_quotas(const struct bucket_plan *plan);
size_t cache_space(unsigned shift);
void cache_lay(const struct bucket_plan *plan, unsigned shift);

/* Opens a cache for the calling thread; cache_shared where it can't have one. */
INTERNAL struct cache *cache_open(void);

/* The thread's cache, opened if need be. */
static inline struct cache *cache_reach(void)
{
    return LIKELY(cache_mine != &cache_none) ? cache_mine : cache_open();
}

/*
 * Refills an empty private magazine of a trained bucket and takes a slot from it: from the public
 * magazine, then the depot. NULL when both have nothing. `cache` is the thread's own, not
 * cache_shared.
 */
void *cache_refill(struct cache *cache, unsigned bucket);

/* Carves a run of slots into the empty private magazine and takes one. NULL: no memory, or no
 * magazine. */
void *cache_carve(struct cache *cache, unsigned bucket);

/* Makes room where the private magazine is full, and puts the slot in. False: no magazine is to be
 * had. */
bool cache_spill(struct cache *cache, unsigned bucket, void *slot);

/* Gives both magazines to the depot; the thread's own cache. */
void cache_drain(struct cache *cache, unsigned bucket);

/* Drops both magazines without a trace. In the child of a fork, which counts the slots anew. */
void cache_forget(struct cache *cache, unsigned bucket);

/* Every cache that was ever opened, by number from 1, and cache_shared as number 0; for reports. */
uint32_t cache_count(void);
struct cache *cache_at(uint32_t number);

/* Free slots in one bucket of one cache, as far as another thread can tell. */
uint32_t cache_held(struct cache *cache, unsigned bucket);

/* Whether threads other than the calling one have caches open. In the child of a fork: had. */
bool cache_others_are_open(void);

/* Forgets all magazines, and closes every cache but the calling thread's. In the child of a fork.
 */
void cache_reset(void);

/* Sets all event counters to zero. In the child of a fork. */
void cache_reset_counters(void);

#endif
