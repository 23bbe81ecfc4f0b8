/* The statistics of a fixed-size pool: one row for each figure. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_statistics.h"

#include <errno.h>
#include <string.h>

#include "base/bounds.h"
#include "buffers/fixed_chunk.h"

static uint32_t held(const struct fixed_magazine *magazine)
{
    uint32_t count = atomic_load_explicit(&magazine->count, memory_order_relaxed);
    return LESSER(count, FIXED_MAGAZINE);
}

static void add_caches(const struct fixed_pool *pool, struct fixed_figures *figures)
{
    uint32_t caches = atomic_load_explicit(&pool->caches, memory_order_relaxed);
    for (uint32_t number = 0; number < LESSER(caches, FIXED_CACHES); number++) {
        const struct fixed_cache *cache = &pool->cache[number];
        uint64_t tally = atomic_load_explicit(&cache->tally, memory_order_relaxed);
        uint32_t before = atomic_load_explicit(&cache->tally_blocks, memory_order_relaxed);
        figures->requests += counter_read(&cache->requests) + fixed_tally_requests(tally, before);
        figures->frees += counter_read(&cache->frees) + fixed_tally_frees(tally);
        figures->cached += LESSER(fixed_tally_blocks(tally), FIXED_MAGAZINE);
        figures->swaps += counter_read(&cache->swaps);
        figures->walks += counter_read(&cache->walks);
        figures->steals += counter_read(&cache->steals);
    }
}

/*
 * Adds up the blocks in all magazines. Goes through the table of magazines and not through the caches, because
 * magazines move between caches and the depot. If `magazines` is 1, no cache was ever opened, and the pool may have no
 * table.
 */
static void add_magazines(const struct fixed_pool *pool, struct fixed_figures *figures)
{
    uint32_t magazines = atomic_load_explicit(&pool->magazines, memory_order_relaxed);
    for (uint32_t number = 1; number < LESSER(magazines, FIXED_MAGAZINES); number++) {
        figures->cached += held(&pool->magazine[number]);
    }
    figures->cached += magazines > 1 ? held(pool->magazine) : 0;
}

static void add_processors(const struct fixed_pool *pool, struct fixed_figures *figures)
{
    for (uint32_t number = 0; number < pool->processors; number++) {
        figures->requests += counter_read(&pool->processor[number].requests);
        figures->frees += counter_read(&pool->processor[number].returned);
        figures->cached += held(&pool->processor[number].magazine);
    }
}

static void add_chunks(const struct fixed_pool *pool, struct fixed_figures *figures)
{
    uint32_t chunks = atomic_load_explicit(&pool->chunks, memory_order_acquire);
    for (uint32_t chunk = 0; chunk < LESSER(chunks, FIXED_CHUNKS); chunk++) {
        if (fixed_start(pool, chunk) != NULL) {
            uint32_t count = fixed_chunk_count(pool, chunk);
            uint32_t purged = atomic_load_explicit(&pool->chunk[chunk].purged, memory_order_relaxed);
            figures->chunks++;
            figures->purged += LESSER(purged, count);
            figures->free += EXCESS(count, purged);
        }
    }
}

static uint64_t read_event(const _Atomic uint64_t *event)
{
    return atomic_load_explicit(event, memory_order_relaxed);
}

void fixed_statistics_take(const struct fixed_pool *pool, struct fixed_figures *figures)
{
    *figures = (struct fixed_figures){0};
    add_caches(pool, figures);
    add_magazines(pool, figures);
    add_processors(pool, figures);
    add_chunks(pool, figures);
    figures->carved = figures->chunks * pool->blocks;
    figures->live = EXCESS(figures->carved, figures->cached + figures->free + figures->purged);
    figures->memory = figures->chunks * pool->chunk_size;
    figures->metadata = atomic_load_explicit(&pool->meta_bytes, memory_order_relaxed);
    figures->requests += counter_read(&pool->requests);
    figures->frees += counter_read(&pool->returned_blocks);
#define FIXED_EVENT_READ(name, unit, help) figures->name = read_event(&pool->name);
    FIXED_EVENT_ROWS(FIXED_EVENT_READ)
#undef FIXED_EVENT_READ
}

/* The name of a figure, and where the figure lies in struct fixed_figures. */
struct figure_row {
    const char *name;
    size_t offset;
};

static const struct figure_row rows[] = {
#define FIXED_FIGURE_ROW(name, unit, help) {#name, offsetof(struct fixed_figures, name)},
    FIXED_FIGURE_ROWS(FIXED_FIGURE_ROW) FIXED_EVENT_ROWS(FIXED_FIGURE_ROW)
#undef FIXED_FIGURE_ROW
};

EXPORTED int sockmalloc_pool_statistic(struct sockmalloc_pool *handle, const char *name, uint64_t *value)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    struct fixed_figures figures;
    for (size_t i = 0; fixed_is_open(pool) && name != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            fixed_statistics_take(pool, &figures);
            memcpy(value, (const char *)&figures + rows[i].offset, sizeof *value);
            return 0;
        }
    }
    errno = EINVAL;
    return -1;
}
