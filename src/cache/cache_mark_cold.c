/* Cold slots of the private magazine: those that neither came nor went since it was swapped in. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/cache.h"

void cache_mark_cold(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    bin->floor = atomic_load_explicit(&bin->top, memory_order_relaxed);
    bin->ceiling = bin->floor;
}

/* A handler that takes one in between leaves the top no higher than the floor: then there is none
 * to be had here. */
void *cache_pop_cold(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_private(bin);
    if (magazine == NULL || bin->floor == magazine->slot) {
        return NULL;
    }
    bin->floor--;
    return cache_pop(bin);
}

/* A handler that frees one in between leaves the top at the ceiling: then there is no room here. */
bool cache_push_cold(struct cache *cache, unsigned bucket, void *slot)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_private(bin);
    if (magazine == NULL || bin->ceiling >= magazine->slot + cache_quota(cache, bucket)) {
        return false;
    }
    bin->ceiling++;
    return cache_push(bin, slot);
}
