/* A moment's figures, bucket by bucket, summed from what the rooms below count: one row a figure.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot.h"

#include <stddef.h>
#include <string.h>

#include "cache.h"
#include "lane.h"
#include "pool.h"

/* All caches' counters of one bucket, added up. */
struct sums {
#define SNAPSHOT_SUM(name, help) uint64_t name;
    COUNTER_ROWS(SNAPSHOT_SUM)
#undef SNAPSHOT_SUM
    uint64_t cached;
};

/* Frees are read before requests: a block handed on meanwhile is then counted live once too often,
 * never below zero. */
static void snapshot_add_frees(struct sums *sums, unsigned bucket)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        sums->returned += counter_read(&cache_at(number)->bin[bucket].returned);
    }
    atomic_thread_fence(memory_order_acquire);
}

static void snapshot_add_rest(struct sums *sums, unsigned bucket)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        struct cache *cache = cache_at(number);
        sums->requests += counter_read(&cache->bin[bucket].requests);
        sums->asked += counter_read(&cache->bin[bucket].asked);
        sums->cached += cache_held(cache, bucket);
#define SNAPSHOT_ADD(name, help) sums->name += counter_read(&cache->tally[bucket].name);
        COUNTER_SLOW_ROWS(SNAPSHOT_ADD)
#undef SNAPSHOT_ADD
    }
}

/* A difference of two counts that were not read at one instant. */
static uint64_t at_least_zero(uint64_t more, uint64_t less)
{
    return more > less ? more - less : 0;
}

/*
 * The large pool carves only when none of a bucket's slots is free, so that its peak is what was
 * carved; a trained bucket carves ahead, and counts.
 */
static uint64_t snapshot_peak(unsigned bucket, uint64_t live, uint64_t carved)
{
    if (pool_is_large(bucket)) {
        return carved;
    }
    int64_t peak = atomic_load_explicit(&pools[bucket].peak, memory_order_relaxed);
    return peak > (int64_t)live ? (uint64_t)peak : live;
}

static void snapshot_take_bucket(struct snapshot_figures *figures, unsigned bucket)
{
    const struct pool *pool = &pools[bucket];
    struct sums sums = {0};
    snapshot_add_frees(&sums, bucket);
    snapshot_add_rest(&sums, bucket);
    figures->live = at_least_zero(pool->inherited_live + sums.requests, sums.returned);
    figures->cached = sums.cached;
    figures->depot =
        at_least_zero(pool->inherited_depot + sums.deposited, sums.withdrawn + sums.stack_hits);
    figures->purged = at_least_zero(pool->inherited_purged + sums.purged, sums.unpurged);
    figures->carved = lane_carved(bucket);
    figures->peak = snapshot_peak(bucket, figures->live, figures->carved);
    figures->requests = sums.requests;
    figures->asked = sums.asked;
    figures->resident = lane_resident(bucket);
    figures->depot_hits = sums.depot_hits + sums.stack_hits + sums.unpurged;
    figures->cache_hits = at_least_zero(sums.requests, figures->depot_hits + sums.carves);
    figures->swaps = sums.swaps;
    figures->fell_through = sums.fell_through;
    figures->fell_through_asked = sums.fell_through_asked;
}

void snapshot_take(struct snapshot *snapshot)
{
    *snapshot = (struct snapshot){.buckets = lanes.length > 0 ? lanes.count : 0};
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        snapshot_take_bucket(&snapshot->bucket[bucket], bucket);
#define SNAPSHOT_TOTAL(name, heading, width, help)                                                 \
    snapshot->total.name += snapshot->bucket[bucket].name;
        SNAPSHOT_ROWS(SNAPSHOT_TOTAL)
#undef SNAPSHOT_TOTAL
    }
}

const uint64_t *snapshot_find(const struct snapshot_figures *figures, const char *name)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
#define SNAPSHOT_OFFSET(name, heading, width, help)                                                \
    {#name, offsetof(struct snapshot_figures, name)},
        SNAPSHOT_ROWS(SNAPSHOT_OFFSET)
#undef SNAPSHOT_OFFSET
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return (const uint64_t *)(const void *)((const char *)figures + fields[i].offset);
        }
    }
    return NULL;
}
