/*
 * A thread's cache: refills and flushes its magazines, allocates the new slots that were carved for this thread, and
 * sets how many frees remain until the thread's next tick (a free that reads the clock and purges a little).
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/cache.h"

#include <string.h>

#include "base/bounds.h"
#include "base/probe.h"
#include "cache/budget.h"
#include "cache/depot.h"
#include "memory/region.h"
#include "memory/slots.h"

/*
 * How many slots one call carves at most, and how many one call at most moves from the bucket's stack of free slots to
 * a magazine. With 16 slots side by side, two threads rarely write to the same cache line of metadata.
 */
enum { CARVE_RUN = 16 };

/*
 * Two upper limits on the number of frees until a thread's next tick (a free that reads the clock and purges a little).
 * HASTE is for the time after slots have gone to the depot or to the stack of free slots. SLOW_INTERVAL is for a bucket
 * without a private magazine: its ticks may come more often, because every free of such a bucket takes the slow path
 * anyway.
 */
enum { HASTE = 16, SLOW_INTERVAL = 61 };

/*
 * The short path of the large pool only pushes or pops a stack of free slots, and does nothing else. `usual` is the
 * number of the first bucket whose malloc and free may use that path; all larger buckets may use it too.
 * cache_set_usual sets this number.
 */
static _Atomic uint32_t usual = BUCKET_LIMIT;

void cache_load(struct cache *cache, unsigned bucket, struct magazine *magazine)
{
    struct cache_bin *bin = &cache->bin[bucket];
    bin->floor = magazine->slot;
    bin->ceiling = magazine->slot + cache_quota(cache, bucket);
    atomic_store_explicit(&bin->top, magazine->slot + magazine_count(magazine), memory_order_relaxed);
}

struct magazine *cache_unload(struct cache_bin *bin)
{
    struct magazine *magazine = cache_private(bin);
    if (magazine != NULL) {
        void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
        magazine_set_count(magazine, (uint32_t)(top - magazine->slot));
    }
    bin->floor = NULL;
    bin->ceiling = NULL;
    atomic_store_explicit(&bin->top, NULL, memory_order_relaxed);
    return magazine;
}

struct magazine *cache_exchange(struct cache_bin *bin, struct magazine *magazine)
{
    return atomic_exchange_explicit(&bin->public_magazine, magazine, memory_order_acq_rel);
}

/* Returns how many bytes of the budget `count` slots of the bucket take up. */
static uint64_t cache_weight(unsigned bucket, uint32_t count)
{
    return (uint64_t)count * region.geometry[bucket].capacity;
}

static void cache_count_swap(struct cache *cache, unsigned bucket, uint32_t held)
{
    struct cache_tally *tally = &cache->tally[bucket];
    probe_swap(bucket, held);
    counter_add(&tally->swaps, 1);
    tally->want += CACHE_SWAP;
}

static void cache_count_miss(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    probe_miss(bucket, cache_quota(cache, bucket));
    counter_add(&tally->misses, 1);
    tally->want += CACHE_MISS;
}

void cache_arm(struct cache *cache, unsigned bucket, uint32_t interval)
{
    struct cache_bin *bin = &cache->bin[bucket];
    uint64_t frees = bin->floor != NULL ? interval : LESSER(interval, SLOW_INTERVAL);
    /*
     * One exchange reads the old count and sets the new one. With a separate load and store, a free in a signal handler
     * between the two would be lost.
     */
    uint64_t had = atomic_exchange_explicit(&bin->returned.count, 0 - frees, memory_order_relaxed);
    counter_add(&cache->tally[bucket].armed, had + frees);
}

void cache_arm_all(struct cache *cache, uint32_t interval)
{
    cache->state.interval = interval;
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        cache_arm(cache, bucket, interval);
    }
}

void cache_hasten(struct cache *cache)
{
    if (cache->state.interval > HASTE) {
        cache_arm_all(cache, HASTE);
    }
}

COLD void cache_set_usual(uint32_t bucket)
{
    atomic_store_explicit(&usual, bucket, memory_order_relaxed);
    if (cache_is_own(cache_mine)) {
        cache_set_more(cache_mine, cache_mine->state.more);
    }
}

void cache_set_more(struct cache *cache, bool more)
{
    cache->state.more = more;
    cache->state.usual = more ? BUCKET_LIMIT : atomic_load_explicit(&usual, memory_order_relaxed);
}

void cache_count_deposit(struct cache *cache, unsigned bucket, uint32_t count)
{
    counter_add(&cache->tally[bucket].deposited, count);
    budget_retain((int64_t)cache_weight(bucket, count));
}

static void cache_count_withdrawal(struct cache *cache, unsigned bucket, uint32_t count)
{
    counter_add(&cache->tally[bucket].withdrawn, count);
    budget_retain(-(int64_t)cache_weight(bucket, count));
}

void cache_deposit(struct cache *cache, unsigned bucket, struct magazine *magazine)
{
    if (magazine != NULL) {
        probe_flush(bucket, magazine_count(magazine));
        cache_hasten(cache);
        cache_count_deposit(cache, bucket, magazine_count(magazine));
        depot_push(bucket, magazine);
    }
}

/* Moves the top `count` slots of the magazine `from`, those that were freed last, onto the top of the magazine `to`. */
static void cache_move(struct magazine *from, struct magazine *to, uint32_t count)
{
    uint32_t left = magazine_count(from) - count;
    memcpy(to->slot + magazine_count(to), from->slot + left, count * sizeof(void *));
    magazine_set_count(to, magazine_count(to) + count);
    magazine_set_count(from, left);
}

/*
 * Finds a magazine with slots, and makes the caller its owner. Looks at the public magazines of other threads, which
 * may be stolen, and after them in the depot. The slots of another thread's magazine are counted as if they had gone to
 * the depot, because the caller counts those that it keeps as withdrawn from there. Returns NULL if no magazine with
 * slots is found.
 */
static struct magazine *cache_find_full(struct cache *cache, unsigned bucket)
{
    struct magazine *full = cache_walk(cache, bucket);
    if (full != NULL) {
        cache_count_deposit(cache, bucket, magazine_count(full));
        return full;
    }
    full = depot_pop_full(bucket);
    if (full != NULL) {
        counter_add(&cache->tally[bucket].depot_hits, 1);
    }
    return full;
}

/*
 * Finds a magazine with slots, and returns it with no more slots than the quota permits. `empty` is an empty magazine
 * or NULL. If the magazine that is found has too many slots, its top slots are moved to `empty`, or to an empty
 * magazine of the depot if `empty` is NULL. That magazine is returned, and the one that was found goes to the depot
 * with the other slots. If the magazine that is found has no more slots than the quota, `empty` goes to the depot.
 * Returns `empty` without slots if no magazine with slots is found.
 */
static struct magazine *cache_fetch(struct cache *cache, unsigned bucket, struct magazine *empty)
{
    uint32_t quota = cache_quota(cache, bucket);
    struct magazine *full = cache_find_full(cache, bucket);
    if (full == NULL) {
        return empty;
    }
    uint32_t count = magazine_count(full);
    if (count <= quota) {
        cache_count_withdrawal(cache, bucket, count);
        if (empty != NULL) {
            depot_push(bucket, empty);
        }
        return full;
    }
    empty = empty != NULL ? empty : depot_pop_empty(bucket);
    if (empty != NULL) {
        cache_move(full, empty, quota);
        cache_count_withdrawal(cache, bucket, quota);
    }
    depot_push(bucket, full);
    return empty;
}

void *cache_refill(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_exchange(bin, cache_unload(bin));
    if (magazine != NULL && magazine_count(magazine) > 0) {
        cache_count_swap(cache, bucket, magazine_count(magazine));
    } else {
        cache_count_miss(cache, bucket);
        magazine = cache_fetch(cache, bucket, magazine);
    }
    if (magazine != NULL) {
        cache_load(cache, bucket, magazine);
    }
    return cache_pop(bin);
}

void *cache_take_one(struct cache *cache, unsigned bucket)
{
    struct magazine *full = cache_find_full(cache, bucket);
    if (full == NULL) {
        return NULL;
    }
    uint32_t left = magazine_count(full) - 1;
    void *slot = full->slot[left];
    magazine_set_count(full, left);
    cache_count_withdrawal(cache, bucket, 1);
    depot_push(bucket, full);
    return slot;
}

/*
 * Removes the private magazine, which is empty, from the cache and returns it. If the cache has no private magazine,
 * returns an empty magazine from the depot, or NULL if there is no memory.
 */
static struct magazine *cache_empty(struct cache *cache, unsigned bucket)
{
    struct magazine *magazine = cache_unload(&cache->bin[bucket]);
    return magazine != NULL ? magazine : depot_pop_empty(bucket);
}

/* Returns how many slots one call moves from the bucket's stack of free slots to a magazine: CARVE_RUN, or the quota if
 * that is lower. */
static uint32_t cache_run(const struct cache *cache, unsigned bucket)
{
    uint32_t quota = cache_quota(cache, bucket);
    return LESSER(quota, CARVE_RUN);
}

void *cache_refill_from_stack(struct cache *cache, unsigned bucket)
{
    struct magazine *magazine = cache_empty(cache, bucket);
    if (magazine == NULL) {
        return NULL;
    }
    uint32_t count = 0;
    for (uint32_t run = cache_run(cache, bucket); count < run; count++) {
        uint32_t number = slots_pop_free(bucket);
        if (number == STACK_EMPTY) {
            break;
        }
        magazine->slot[count] = region_slot(number);
    }
    magazine_set_count(magazine, count);
    cache_count_withdrawal(cache, bucket, count);
    cache_load(cache, bucket, magazine);
    return cache_pop(&cache->bin[bucket]);
}

void cache_set_fresh(struct cache *cache, unsigned bucket, uint32_t first, uint32_t left)
{
    atomic_store_explicit(&cache->tally[bucket].fresh, first, memory_order_relaxed);
    atomic_store_explicit(&cache->tally[bucket].fresh_left, left, memory_order_relaxed);
}

void *cache_carve(struct cache *cache, unsigned bucket)
{
    uint32_t left = cache_fresh(cache, bucket);
    uint32_t first = atomic_load_explicit(&cache->tally[bucket].fresh, memory_order_relaxed);
    if (left == 0) {
        left = region_carve_run(bucket, CARVE_RUN, &first);
    }
    if (left == 0) {
        return NULL;
    }
    cache_set_fresh(cache, bucket, first + region.geometry[bucket].pages, left - 1);
    return region_slot(first);
}

void cache_free_fresh(struct cache *cache, unsigned bucket)
{
    uint32_t first = atomic_load_explicit(&cache->tally[bucket].fresh, memory_order_relaxed);
    uint32_t left = cache_fresh(cache, bucket);
    cache_set_fresh(cache, bucket, 0, 0);
    for (uint32_t i = left; i-- > 0;) {
        slots_push_purged(bucket, first + i * region.geometry[bucket].pages);
    }
    counter_add(&cache->tally[bucket].purged, left);
}

bool cache_flush(struct cache *cache, unsigned bucket, void *slot)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_exchange(bin, cache_unload(bin));
    if (magazine != NULL && magazine_count(magazine) < cache_quota(cache, bucket)) {
        cache_count_swap(cache, bucket, magazine_count(magazine));
    } else {
        if (magazine != NULL) {
            cache_count_miss(cache, bucket);
        }
        cache_deposit(cache, bucket, magazine);
        magazine = depot_pop_empty(bucket);
    }
    if (magazine == NULL) {
        return false;
    }
    cache_load(cache, bucket, magazine);
    return cache_push(bin, slot);
}

uint32_t cache_held(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *public_magazine = atomic_load_explicit(&bin->public_magazine, memory_order_acquire);
    uint32_t held = public_magazine != NULL ? magazine_count(public_magazine) : 0;
    return held + magazine_depth(atomic_load_explicit(&bin->top, memory_order_relaxed));
}
