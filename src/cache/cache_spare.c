/* Spare slots: a thread may keep one free slot of a large bucket in its cache, so that the fast paths can use it. Puts
 * the magazine for this slot into the cache, and removes it again. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "memory/region.h"
#include "memory/slots.h"

void cache_keep_spare(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    if (bin->floor != NULL || !budget_charge(region.geometry[bucket].capacity)) {
        return;
    }
    struct magazine *magazine = depot_pop_empty(bucket);
    if (magazine == NULL) {
        budget_return(region.geometry[bucket].capacity);
        return;
    }
    cache_load(cache, bucket, magazine);
    /* cache_load has set the ceiling by the quota, which is 0, so there would be no place for a slot */
    bin->ceiling = magazine->slot + 1;
}

void cache_drop_spare(struct cache *cache, unsigned bucket)
{
    struct magazine *magazine = cache_unload(&cache->bin[bucket]);
    if (magazine_count(magazine) > 0) {
        magazine_set_count(magazine, 0);
        slots_push(bucket, region_number(magazine->slot[0]));
        cache_count_deposit(cache, bucket, 1);
    }
    depot_push(bucket, magazine);
    budget_return(region.geometry[bucket].capacity);
}

/* Returns true if the thread has made no request of the bucket since the last call. */
static bool cache_spare_is_unused(struct cache *cache, unsigned bucket)
{
    uint32_t requests = (uint32_t)counter_read(&cache->bin[bucket].requests);
    uint32_t before = atomic_load_explicit(&cache->tally[bucket].watched, memory_order_relaxed);
    atomic_store_explicit(&cache->tally[bucket].watched, requests, memory_order_relaxed);
    return requests == before;
}

void cache_drop_spares(struct cache *cache, bool all)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        if (cache_has_spare(cache, bucket) && (cache_spare_is_unused(cache, bucket) || all)) {
            cache_drop_spare(cache, bucket);
        }
    }
}
