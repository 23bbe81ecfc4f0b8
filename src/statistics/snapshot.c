/* Takes a snapshot of the statistics: reads the counters of all caches and pools, and adds them up. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/snapshot.h"

#include <stdbool.h>
#include <string.h>

#include "base/bounds.h"
#include "cache/cache.h"
#include "config/message.h"
#include "memory/region.h"
#include "memory/residency.h"
#include "os/sandbox.h"
#include "percpu/percpu.h"
#include "pool/pool.h"
#include "pool/pressure.h"

const struct snapshot_row snapshot_rows[SNAPSHOT_COUNT] = {
#define SNAPSHOT_ROW(name, width, type, unit, help)                                                                    \
    {#name, SNAPSHOT_##type, unit, help, offsetof(struct snapshot_figures, name)},
    SNAPSHOT_ROWS(SNAPSHOT_ROW)
#undef SNAPSHOT_ROW
};

/* The sums of one bucket's counters over all caches. */
struct sums {
#define SNAPSHOT_SUM(name, help) uint64_t name;
    COUNTER_ROWS(SNAPSHOT_SUM)
#undef SNAPSHOT_SUM
    uint64_t cached;
    uint64_t quota;
    uint64_t fresh;
};

static void snapshot_add(struct sums *sums, struct cache *cache, unsigned bucket)
{
    sums->cached += cache_held(cache, bucket);
    sums->returned += counter_read(&cache->tally[bucket].armed);
    sums->fresh += cache_fresh(cache, bucket);
    sums->quota += 2 * (uint64_t)cache_quota(cache, bucket);
#define SNAPSHOT_ADD_FAST(name, help) sums->name += counter_read(&cache->bin[bucket].name);
    COUNTER_FAST_ROWS(SNAPSHOT_ADD_FAST)
#undef SNAPSHOT_ADD_FAST
#define SNAPSHOT_ADD(name, help) sums->name += counter_read(&cache->tally[bucket].name);
    COUNTER_SLOW_ROWS(SNAPSHOT_ADD)
#undef SNAPSHOT_ADD
}

static void snapshot_add_all(struct sums *sums, unsigned bucket)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        snapshot_add(sums, cache_at(number), bucket);
    }
    for (uint32_t number = 0; number < percpu_records(); number++) {
        snapshot_add(sums, percpu_at(number), bucket);
    }
    sums->quota += (uint64_t)percpu_quota(bucket) * percpu_records();
}

/*
 * Returns `sum`, the frees of one bucket added up over all caches, or 0 if it is negative. A cache counts its frees in
 * two counters, `returned` and `armed`. cache_arm first lowers `returned` by one interval, which is the number of frees
 * until the thread's next tick, and then adds as many to `armed`. A sum that is read between these two steps is too low
 * by up to one interval, and can be negative soon after the start of the process.
 */
static uint64_t snapshot_returned(uint64_t sum)
{
    return (int64_t)sum > 0 ? sum : 0;
}

/* Figures that are read for all buckets at once. */
struct range_figures {
    struct residency residency[BUCKET_LIMIT];
    uint32_t live[BUCKET_LIMIT];
};

static void snapshot_take_bucket(struct snapshot_figures *figures, unsigned bucket, const struct range_figures *range)
{
    const struct pool *pool = &pools[bucket];
    struct sums sums = {0};
    struct residency residency = range->residency[bucket];
    snapshot_add_all(&sums, bucket);
    figures->carved = region_carved(bucket);
    figures->live = range->live[bucket];
    figures->cached = sums.cached;
    figures->depot = EXCESS(pool->inherited_depot + sums.deposited, sums.withdrawn + sums.stack_hits);
    figures->purged = sums.fresh + EXCESS(pool->inherited_purged + sums.purged, sums.unpurged);
    figures->peak = pool_peak(bucket, figures->live, figures->carved);
    figures->requests = sums.requests;
    figures->asked = sums.asked;
    figures->resident_live = residency.known ? residency.live : SNAPSHOT_UNKNOWN;
    figures->resident_free = residency.known ? residency.free : SNAPSHOT_UNKNOWN;
    figures->resident_purged = residency.known ? residency.purged : SNAPSHOT_UNKNOWN;
    figures->resident =
        snapshot_sum(snapshot_sum(figures->resident_live, figures->resident_free), figures->resident_purged);
    figures->depot_hits = sums.depot_hits + sums.stack_hits + sums.unpurged;
    figures->cache_hits = EXCESS(sums.requests, figures->depot_hits + sums.carves + sums.steals);
    figures->swaps = sums.swaps;
    figures->fell_through = sums.fell_through;
    figures->fell_through_asked = sums.fell_through_asked;
    figures->returned = snapshot_returned(sums.returned);
    figures->remote_frees = counter_read(&pool->remote_frees);
    figures->quota = sums.quota;
    figures->misses = sums.misses;
    figures->walks = sums.walks;
    figures->steals = sums.steals;
    figures->promotions = sums.promotions;
    figures->growths = sums.growths;
    figures->transfers = sums.transfers;
    figures->losses = sums.losses;
    figures->decays = sums.decays;
}

/* Reads how many slots of each bucket are live, and which of their pages are in memory. */
static void snapshot_read_range(struct range_figures *range)
{
    memset(range, 0, sizeof *range);
    if (region_is_laid()) {
        region_count_live(range->live);
        residency_measure(range->residency);
    }
}

/* Adds the figures of one bucket to those of all buckets. */
static void snapshot_add_bucket(struct snapshot_figures *total, const struct snapshot_figures *figures)
{
#define SNAPSHOT_TOTAL(name, width, type, unit, help) total->name = snapshot_sum(total->name, figures->name);
    SNAPSHOT_ROWS(SNAPSHOT_TOTAL)
#undef SNAPSHOT_TOTAL
}

void snapshot_take_figures(struct snapshot_figures *figures, unsigned bucket)
{
    struct range_figures range;
    struct snapshot_figures one;
    snapshot_read_range(&range);
    memset(figures, 0, sizeof *figures);
    for (unsigned other = 0; other < region.buckets; other++) {
        if (bucket == other || bucket == region.buckets) {
            snapshot_take_bucket(&one, other, &range);
            snapshot_add_bucket(figures, &one);
        }
    }
}

void snapshot_take(struct snapshot *snapshot)
{
    /*
     * memset is called, and no compound literal is assigned, because clang would first build the literal on the stack,
     * where a signal handler may not have 7 KiB.
     */
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->buckets = region.buckets;
    snapshot->processes = 1;
    snapshot->charged = budget_charged();
    snapshot->budget = budget.cache_limit;
    snapshot->pressure_highs = atomic_load(&pressure.highs);
    snapshot->kind = pool_kind();
    snapshot->process = (int)sandbox_process();
    snapshot->program = message_process_name();
    histogram_read(&snapshot->sizes);
    struct range_figures range;
    snapshot_read_range(&range);
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        snapshot_take_bucket(&snapshot->bucket[bucket], bucket, &range);
        snapshot_add_bucket(&snapshot->total, &snapshot->bucket[bucket]);
    }
}

uint64_t snapshot_share(uint64_t part, unsigned __int128 whole)
{
    if (part >= whole) {
        return whole > 0 ? SNAPSHOT_WHOLE : 0;
    }
    return (uint64_t)((unsigned __int128)part * SNAPSHOT_WHOLE / whole);
}

uint64_t snapshot_filled(const struct snapshot *snapshot, const struct bucket_plan *plan, unsigned bucket)
{
    bool all = bucket == snapshot->buckets;
    uint64_t asked = all ? snapshot->total.asked : snapshot->bucket[bucket].asked;
    unsigned __int128 room = 0;
    for (unsigned i = all ? 0 : bucket; i < (all ? snapshot->buckets : bucket + 1); i++) {
        room += (unsigned __int128)snapshot->bucket[i].requests * plan->capacity[i];
    }
    return snapshot_share(asked, room);
}

const uint64_t *snapshot_find(const struct snapshot_figures *figures, const char *name)
{
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        const struct snapshot_row *row = &snapshot_rows[i];
        if (strcmp(row->name, name) == 0) {
            return (const uint64_t *)(const void *)((const char *)figures + row->offset);
        }
    }
    return NULL;
}
