/* The caches: what one thread holds per bucket, a private magazine and a public one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache.h"

#include "depot.h"
#include "lane.h"

/*
 * Quota: bytes of free slots in one magazine of one bucket; a cache has two magazines a bucket.
 * CARVE_RUN slots are carved at once: their cards fill a cache line, which no other thread then
 * writes.
 */
enum { QUOTA_BYTES = 4 << 20, CARVE_RUN = CACHE_LINE / sizeof(struct card) };

static uint32_t quota[BUCKET_LIMIT]; /* slots in a magazine; 0 for the large pool's buckets */
void cache_set_quotas(const struct bucket_plan *plan)
{
    for (unsigned bucket = 0; bucket < plan->first_large; bucket++) {
        size_t slots = QUOTA_BYTES / plan->size[bucket];
        quota[bucket] = (uint32_t)(slots > MAGAZINE_SLOTS ? MAGAZINE_SLOTS : slots < 1 ? 1 : slots);
    }
}

/* Makes a magazine the private one. */
static void cache_load(struct cache_bin *bin, unsigned bucket, struct magazine *magazine)
{
    bin->private_magazine = magazine;
    bin->floor = magazine->slot;
    bin->ceiling = magazine->slot + quota[bucket];
    atomic_store_explicit(&bin->top, magazine->slot + magazine_count(magazine),
                          memory_order_relaxed);
}

/* Takes the private magazine out, with its count brought up to date. NULL if there is none. */
static struct magazine *cache_unload(struct cache_bin *bin)
{
    struct magazine *magazine = bin->private_magazine;
    if (magazine != NULL) {
        void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
        magazine_set_count(magazine, (uint32_t)(top - bin->floor));
    }
    bin->private_magazine = NULL;
    bin->floor = NULL;
    bin->ceiling = NULL;
    atomic_store_explicit(&bin->top, NULL, memory_order_relaxed);
    return magazine;
}

static struct magazine *cache_exchange(struct cache_bin *bin, struct magazine *magazine)
{
    return atomic_exchange_explicit(&bin->public_magazine, magazine, memory_order_acq_rel);
}

static void cache_deposit(struct cache *cache, unsigned bucket, struct magazine *magazine)
{
    if (magazine != NULL) {
        counter_add(&cache->tally[bucket].deposited, magazine_count(magazine));
        depot_give(bucket, magazine);
    }
}

/* A magazine of the depot's that has slots, counted; or NULL. */
static struct magazine *cache_withdraw(struct cache *cache, unsigned bucket)
{
    struct magazine *magazine = depot_take_full(bucket);
    if (magazine != NULL) {
        counter_add(&cache->tally[bucket].withdrawn, magazine_count(magazine));
        counter_add(&cache->tally[bucket].depot_hits, 1);
    }
    return magazine;
}

void *cache_refill(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_exchange(bin, cache_unload(bin));
    if (magazine != NULL && magazine_count(magazine) > 0) {
        counter_add(&cache->tally[bucket].swaps, 1);
    } else {
        struct magazine *full = cache_withdraw(cache, bucket);
        if (full != NULL && magazine != NULL) {
            depot_give(bucket, magazine);
        }
        magazine = full != NULL ? full : magazine;
    }
    if (magazine != NULL) {
        cache_load(bin, bucket, magazine);
    }
    return cache_pop(bin);
}

void *cache_carve(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_unload(bin);
    magazine = magazine != NULL ? magazine : depot_take_empty(bucket);
    if (magazine == NULL) {
        return NULL;
    }
    unsigned run = quota[bucket] < CARVE_RUN ? quota[bucket] : CARVE_RUN;
    magazine_set_count(magazine, lane_carve(bucket, run, magazine->slot));
    cache_load(bin, bucket, magazine);
    return cache_pop(bin);
}

bool cache_spill(struct cache *cache, unsigned bucket, void *slot)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_exchange(bin, cache_unload(bin));
    if (magazine != NULL && magazine_count(magazine) < quota[bucket]) {
        counter_add(&cache->tally[bucket].swaps, 1);
    } else {
        cache_deposit(cache, bucket, magazine);
        magazine = depot_take_empty(bucket);
    }
    if (magazine == NULL) {
        return false;
    }
    cache_load(bin, bucket, magazine);
    return cache_push(bin, slot);
}

void cache_drain(struct cache *cache, unsigned bucket)
{
    cache_deposit(cache, bucket, cache_unload(&cache->bin[bucket]));
    cache_deposit(cache, bucket, cache_exchange(&cache->bin[bucket], NULL));
}

void cache_forget(struct cache *cache, unsigned bucket)
{
    cache_unload(&cache->bin[bucket]);
    cache_exchange(&cache->bin[bucket], NULL);
}

uint32_t cache_held(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *public_magazine =
        atomic_load_explicit(&bin->public_magazine, memory_order_acquire);
    uint32_t held = public_magazine != NULL ? magazine_count(public_magazine) : 0;
    return held + magazine_depth(atomic_load_explicit(&bin->top, memory_order_relaxed));
}
