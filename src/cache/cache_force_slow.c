/* Takes that are halted: the next one of each bucket is a slow path, though the magazine has slots.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/cache.h"

void cache_force_slow(struct cache *cache)
{
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        struct cache_bin *bin = &cache->bin[bucket];
        bin->floor = atomic_load_explicit(&bin->top, memory_order_relaxed);
    }
}

bool cache_resume_fast(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    struct magazine *magazine = cache_private(bin);
    if (magazine == NULL || bin->floor == magazine->slot) {
        return false;
    }
    bin->floor = magazine->slot;
    return true;
}
