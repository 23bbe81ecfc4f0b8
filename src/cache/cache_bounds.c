/*
 * Moves the floor and the ceiling of a bin. The fast paths of malloc and free use the private magazine only between
 * these two bounds; beyond the bounds, malloc and free take the slow path.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/cache.h"

/* Returns true if the floor of the bin's private magazine lies above its lowest slot, so that malloc's fast path does
 * not pop all of its slots. */
static bool cache_is_raised(const struct cache_bin *bin)
{
    const struct magazine *magazine = cache_private(bin);
    return magazine != NULL && bin->floor != magazine->slot;
}

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
    bool raised = cache_is_raised(bin);
    if (raised) {
        bin->floor = cache_private(bin)->slot;
    }
    return raised;
}

void cache_mark_cold(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    bin->floor = atomic_load_explicit(&bin->top, memory_order_relaxed);
    bin->ceiling = bin->floor;
}

/*
 * The floor is lowered first, and then cache_pop is called. If a signal handler allocates a slot of the bucket between
 * the two, the top is no longer above the floor. cache_pop then returns NULL, as if no cold slot were left.
 */
void *cache_pop_cold(struct cache *cache, unsigned bucket)
{
    struct cache_bin *bin = &cache->bin[bucket];
    if (!cache_is_raised(bin)) {
        return NULL;
    }
    bin->floor--;
    return cache_pop(bin);
}

/*
 * The ceiling is raised first, and then cache_push is called. If a signal handler frees a slot of the bucket between
 * the two, the top is at the ceiling again. cache_push then returns false, as if the quota were used up.
 */
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
