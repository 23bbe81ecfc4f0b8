/* Moves the public magazines of sleeping threads to the depot, where other threads find them. (A thread has a public
 * magazine for each bucket; other threads may steal it.) */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bounds.h"
#include "cache/cache.h"
#include "memory/region.h"

/*
 * A round checks each cache once, from the highest number down to 1 (number 0 has no magazines). `left` is the number
 * of the cache to check next, or 0 after the end of a round; `began` is the time at which the round began. Several
 * threads may share a round; each cache is then checked by only one of them. Both variables are zero at first, so that
 * they lie in .bss, on a page to which frees write anyway. If they lay on another page, a write to them after a fork
 * would make the kernel copy that page too.
 */
static _Alignas(CACHE_LINE) _Atomic uint32_t left;
static _Atomic uint64_t began;

/*
 * `sleeper` is the cache of a thread that may be asleep. Moves its public magazine of one bucket to the depot, if the
 * thread has made no request of the bucket since the last round. The thread may have woken meanwhile, which does no
 * harm: cache_steal may be called while the owner uses its cache.
 */
static void cache_collect_bucket(struct cache *cache, struct cache *sleeper, unsigned bucket)
{
    _Atomic uint32_t *watched = &sleeper->tally[bucket].watched;
    uint32_t requests = (uint32_t)counter_read(&sleeper->bin[bucket].requests);
    if (atomic_exchange_explicit(watched, requests, memory_order_relaxed) == requests) {
        cache_deposit(cache, bucket, cache_steal(sleeper, bucket));
    }
}

/* Returns true if the cache has a public magazine of the bucket. The caller checks this first, so that it writes to a
 * cache line of another thread only if that thread has a public magazine. */
static bool cache_has_public(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->bin[bucket].public_magazine, memory_order_relaxed) != NULL;
}

/*
 * Moves the public magazines of one cache to the depot, for each bucket of which the cache's thread has made no request
 * since the last round.
 */
static void cache_collect(struct cache *cache, struct cache *sleeper)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        if (cache_has_public(sleeper, bucket)) {
            cache_collect_bucket(cache, sleeper, bucket);
        }
    }
}

/*
 * Begins a round if the last one began `age` nanoseconds ago or longer. The difference of the times is compared as a
 * signed number, because it is negative if another thread has begun a round since the caller read the clock. Returns
 * the number of the first cache to check, or 0 if it is too early or another thread has just begun the round.
 */
static uint32_t cache_begin_round(uint64_t now, uint64_t age)
{
    uint64_t last = atomic_load_explicit(&began, memory_order_relaxed);
    if ((int64_t)(now - last) < (int64_t)age ||
        !atomic_compare_exchange_strong_explicit(&began, &last, now, memory_order_relaxed, memory_order_relaxed)) {
        return 0;
    }
    atomic_store_explicit(&left, cache_count() - 1, memory_order_relaxed);
    return cache_count() - 1;
}

void cache_collect_idle(struct cache *cache, uint64_t now, uint64_t age, uint32_t looks)
{
    uint32_t last = atomic_load_explicit(&left, memory_order_relaxed);
    last = last > 0 ? last : cache_begin_round(now, age);
    uint32_t count = LESSER(last, looks);
    if (count == 0 || !atomic_compare_exchange_strong_explicit(&left, &last, last - count, memory_order_relaxed,
                                                               memory_order_relaxed)) {
        return; /* no new round is due, or another thread has taken these caches */
    }
    for (uint32_t number = last; number > last - count; number--) {
        cache_collect(cache, cache_at(number));
    }
}
