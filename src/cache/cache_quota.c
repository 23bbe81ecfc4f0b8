/* Raises and lowers the quotas of a thread's cache, within the budget. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "memory/region.h"
#include "memory/slots.h"

/*
 * Returns how many bytes the budget is charged for a quota of `count` slots. Each of the two magazines may hold `count`
 * slots, so the charge is for twice the quota.
 */
static uint64_t cache_charge(unsigned bucket, uint32_t count)
{
    return 2 * (uint64_t)count * region.geometry[bucket].capacity;
}

/* If a magazine has more slots than the quota permits, moves its lowest slots, which have been free for longest, to the
 * bucket's stack of free slots. */
static void cache_cut(struct cache *cache, unsigned bucket, struct magazine *magazine, uint32_t quota)
{
    uint32_t count = magazine_count(magazine);
    if (count <= quota) {
        return;
    }
    uint32_t surplus = count - quota;
    for (uint32_t i = 0; i < surplus; i++) {
        slots_push(bucket, region_number(magazine->slot[i]));
    }
    memmove(magazine->slot, magazine->slot + surplus, quota * sizeof(void *));
    magazine_set_count(magazine, quota);
    cache_count_deposit(cache, bucket, surplus);
}

/* Lowers the quota: leaves at most `quota` slots in each magazine. If the quota is 0, both magazines go to the depot,
 * and the new slots that were carved for this thread are freed, because a thread without a quota does not use them. */
static void cache_shrink(struct cache *cache, unsigned bucket, uint32_t quota)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *own = cache_unload(bin);
    struct magazine *public_magazine = cache_exchange(bin, NULL);
    atomic_store_explicit(&cache->tally[bucket].quota, quota, memory_order_relaxed);
    if (quota == 0) {
        cache_deposit(cache, bucket, own);
        cache_deposit(cache, bucket, public_magazine);
        cache_free_fresh(cache, bucket);
        return;
    }
    if (own != NULL) {
        cache_cut(cache, bucket, own, quota);
        cache_load(cache, bucket, own);
    }
    if (public_magazine != NULL) {
        cache_cut(cache, bucket, public_magazine, quota);
        cache_exchange(bin, public_magazine);
    }
}

bool cache_set_quota(struct cache *cache, unsigned bucket, uint32_t quota)
{
    uint32_t had = cache_quota(cache, bucket);
    if (cache_has_spare(cache, bucket)) {
        cache_drop_spare(cache, bucket);
    }
    if (quota <= had) {
        cache_shrink(cache, bucket, quota);
        budget_return(cache_charge(bucket, had - quota));
        return true;
    }
    if (!budget_charge(cache_charge(bucket, quota - had))) {
        return false;
    }
    atomic_store_explicit(&cache->tally[bucket].quota, quota, memory_order_relaxed);
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_private(bin);
    if (magazine != NULL) {
        bin->ceiling = magazine->slot + quota;
    }
    return true;
}

void cache_begin(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    tally->score = 0;
    tally->want = 0;
    tally->seen = 0;
}

void cache_forget(struct cache *cache, unsigned bucket)
{
    cache_unload(&cache->bin[bucket]);
    cache_exchange(&cache->bin[bucket], NULL);
    atomic_store_explicit(&cache->tally[bucket].quota, 0, memory_order_relaxed);
    cache_set_fresh(cache, bucket, 0, 0);
    cache_begin(cache, bucket);
}
