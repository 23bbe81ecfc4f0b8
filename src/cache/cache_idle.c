/* Collects the public magazines of threads that sleep. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/cache.h"
#include "memory/region.h"

/* The next cache to look at, and when this round over all of them began; at first one is over.
 * Several threads may be at it: each cache is then looked at by one of them. */
static _Alignas(CACHE_LINE) _Atomic uint32_t next = UINT32_MAX;
static _Atomic uint64_t began;

static void cache_collect_bucket(struct cache *cache, struct cache *sleeper, unsigned bucket)
{
    _Atomic uint32_t *watched = &sleeper->tally[bucket].watched;
    uint32_t requests = (uint32_t)counter_read(&sleeper->bin[bucket].requests);
    if (atomic_exchange_explicit(watched, requests, memory_order_relaxed) == requests) {
        cache_deposit(cache, bucket, cache_steal(sleeper, bucket));
    }
}

static bool cache_has_public(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->bin[bucket].public_magazine, memory_order_relaxed) != NULL;
}

static void cache_collect(struct cache *cache, struct cache *sleeper)
{
    for (unsigned bucket = 0; bucket < regions.count; bucket++) {
        if (cache_has_public(sleeper, bucket)) {
            cache_collect_bucket(cache, sleeper, bucket);
        }
    }
}

/*
 * The next round begins once the last one has begun `age` ago: by sign, since another thread may
 * have begun since the caller read the clock. One of several does it; to the others the last one is
 * over until he has said where the next one begins.
 */
static bool cache_begin_round(uint64_t now, uint64_t age)
{
    uint64_t last = atomic_load_explicit(&began, memory_order_relaxed);
    if ((int64_t)(now - last) < (int64_t)age ||
        !atomic_compare_exchange_strong_explicit(&began, &last, now, memory_order_relaxed, memory_order_relaxed)) {
        return false;
    }
    atomic_store_explicit(&next, 1, memory_order_relaxed); /* number 0 has no magazines */
    return true;
}

void cache_collect_idle(struct cache *cache, uint64_t now, uint64_t age, uint32_t looks)
{
    uint32_t count = cache_count();
    if (atomic_load_explicit(&next, memory_order_relaxed) >= count && !cache_begin_round(now, age)) {
        return;
    }
    uint32_t first = atomic_fetch_add_explicit(&next, looks, memory_order_relaxed);
    for (uint32_t number = first; number < first + looks && number < count; number++) {
        cache_collect(cache, cache_at(number));
    }
}
