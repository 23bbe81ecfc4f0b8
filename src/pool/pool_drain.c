/* Brings what caches hold to where pool_trim finds it, and says how much lies there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bounds.h"
#include "percpu/percpu.h"
#include "pool/pool_parts.h"

/* What a cache brought to depots and stacks, less what it took from there: below zero where it
 * lives by others' frees, so that only the sum says something. */
static uint64_t pool_brought(const struct cache *cache, unsigned bucket)
{
    const struct cache_tally *tally = &cache->tally[bucket];
    return counter_read(&tally->deposited) - counter_read(&tally->withdrawn) - counter_read(&tally->stack_hits);
}

static uint64_t pool_retained_slots(unsigned bucket)
{
    uint64_t stocked = pools[bucket].inherited_depot;
    for (uint32_t number = 0; number < cache_count(); number++) {
        stocked += pool_brought(cache_at(number), bucket);
    }
    for (uint32_t number = 0; number < percpu_records(); number++) {
        stocked += pool_brought(percpu_at(number), bucket);
    }
    return (int64_t)stocked > 0 ? stocked : 0; /* not all were read at one instant */
}

uint64_t pool_retained(void)
{
    uint64_t bytes = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        bytes += pool_retained_slots(bucket) * region.geometry[bucket].capacity;
    }
    return bytes;
}

/* Should another thread get the budget in between, the quota has to be earned anew. */
static void pool_drain_own(struct cache *cache, unsigned bucket)
{
    uint32_t quota = cache_quota(cache, bucket);
    cache_set_quota(cache, bucket, 0);
    cache_set_quota(cache, bucket, quota);
}

static void pool_drain_others(struct cache *cache, unsigned bucket)
{
    for (uint32_t number = 1; number < cache_count(); number++) { /* number 0 has no magazines */
        cache_deposit(cache, bucket, cache_steal(cache_at(number), bucket));
    }
}

void pool_drain(void)
{
    struct cache *cache = pool_counters();
    for (unsigned bucket = 0; bucket < region.buckets && cache_is_own(cache); bucket++) {
        pool_drain_own(cache, bucket);
        pool_drain_others(cache, bucket);
    }
}

void pool_reclaim(size_t bytes)
{
    size_t wanted = GREATER(bytes, pool_quantum());
    if (pool_trim(wanted) < wanted) {
        pool_drain();
        pool_trim(wanted);
    }
}
