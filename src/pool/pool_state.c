/* The state that all files of the pools share: counts of each bucket, and whether memory is tight. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_state.h"

#include "memory/table.h"

struct pool pools[BUCKET_LIMIT];
unsigned pool_first_large;
bool pool_is_child_of_threads;

atomic_bool pool_tight;
/* The most bytes of mapped memory, used or not, that the process may be charged for; 0 or SIZE_MAX for no limit. */
static _Atomic uint64_t charge_limit;

void pool_make_tight(void)
{
    if (!atomic_exchange_explicit(&pool_tight, true, memory_order_relaxed)) {
        table_grow_sparingly();
        /* closes the short path of the large pool: while memory is tight, route_wastes has to check for each allocation
         * if it would leave too much of its slot unused */
        cache_set_usual(BUCKET_LIMIT);
    }
}

COLD void pool_limit_charge(uint64_t bytes)
{
    atomic_store_explicit(&charge_limit, bytes, memory_order_relaxed);
}

bool pool_is_tight(void)
{
    enum { CHARGE_SHARE = 32 };
    uint64_t limit = atomic_load_explicit(&charge_limit, memory_order_relaxed);
    if (limit != 0 && region_ready() > limit / CHARGE_SHARE) {
        pool_make_tight();
    }
    return atomic_load_explicit(&pool_tight, memory_order_relaxed);
}

void pool_count_source(struct cache *cache, unsigned bucket, enum slots_source source)
{
    struct cache_tally *tally = &cache->tally[bucket];
    switch (source) {
    case SLOTS_FROM_FREE:
        pool_count_stack_hit(cache, bucket);
        break;
    case SLOTS_FROM_PURGED:
        pool_count(cache, &tally->unpurged, 1);
        break;
    case SLOTS_FROM_CARVED:
        pool_count(cache, &tally->carves, 1);
        break;
    case SLOTS_FROM_NONE:
        break;
    }
}

/*
 * Updates the bucket's number of live slots and its peak by what the thread has counted in its own cache since its last
 * call. The peak can be too low by the slots that other threads have allocated from their magazines since their own
 * last calls: at most two magazines each.
 */
static void pool_count_live(struct cache *cache, unsigned bucket)
{
    uint32_t *folded = &cache->tally[bucket].folded;
    uint32_t net = (uint32_t)(counter_read(&cache->bin[bucket].requests) - cache_returned(cache, bucket));
    int64_t change = (int32_t)(net - *folded);
    *folded = net;
    int64_t live = atomic_fetch_add_explicit(&pools[bucket].live, change, memory_order_relaxed) + change;
    int64_t peak = atomic_load_explicit(&pools[bucket].peak, memory_order_relaxed);
    while (live > peak && !atomic_compare_exchange_weak_explicit(&pools[bucket].peak, &peak, live, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
    }
}

void pool_count_alloc(struct cache *cache, unsigned bucket, size_t request)
{
    pool_count(cache, &cache->bin[bucket].requests, 1);
    pool_count(cache, &cache->bin[bucket].asked, request);
    if (pool_is_trained(cache, bucket)) {
        pool_count_live(cache, bucket);
    }
}

bool pool_count_free(struct cache *cache, unsigned bucket)
{
    if (UNLIKELY(cache == &cache_shared)) {
        counter_add_shared(&cache->bin[bucket].returned, 1);
        return false;
    }
    bool tick = counter_step(&cache->bin[bucket].returned);
    if (pool_is_trained(cache, bucket)) {
        pool_count_live(cache, bucket);
    }
    return tick;
}
