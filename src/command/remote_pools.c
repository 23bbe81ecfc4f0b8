/* Reads the figures of another process's named fixed-size pools. The process uses them by the functions
 * sockmalloc_pool_*. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_pools.h"

#include <string.h>

#include "base/bounds.h"

enum { PROCESSORS = 1024 };

/* Buffers for copies of the tables of one pool. The tables of the next pool are copied over them. */
static struct {
    struct fixed_chunk chunk[FIXED_CHUNKS];
    struct fixed_place place[FIXED_CHUNKS + 2];
    struct fixed_cache cache[FIXED_CACHES];
    struct fixed_magazine magazine[FIXED_MAGAZINES];
    struct fixed_processor processor[PROCESSORS];
} tables;

/*
 * Copies the first `count` records of a table. Returns the number of copied records, which is `count` or, if the copy
 * failed, 0.
 */
static uint32_t copy_table(const struct remote_process *target, void *to, const void *from, uint32_t count, size_t size)
{
    return remote_process_copy(target, to, from, count * size) == REMOTE_READ ? count : 0;
}

/*
 * Limits the count in the copy of a pool's record to `most`, because the other process may have any count there.
 * Returns the limited count.
 */
static uint32_t bound(_Atomic uint32_t *count, uint32_t most)
{
    uint32_t bounded = LESSER(atomic_load_explicit(count, memory_order_relaxed), most);
    atomic_store_explicit(count, bounded, memory_order_relaxed);
    return bounded;
}

/* Copies the tables of a pool, and stores the addresses of the copies in the copy of the pool's record. */
static void bring_tables(const struct remote_process *target, struct fixed_pool *pool)
{
    uint32_t chunks = bound(&pool->chunks, FIXED_CHUNKS);
    uint32_t caches = bound(&pool->caches, FIXED_CACHES);
    uint32_t magazines = caches > 0 ? bound(&pool->magazines, FIXED_MAGAZINES) : 0;
    chunks = copy_table(target, tables.chunk, pool->chunk, chunks, sizeof tables.chunk[0]);
    chunks =
        chunks == copy_table(target, tables.place, pool->place, chunks + 1, sizeof tables.place[0]) - 1 ? chunks : 0;
    caches = copy_table(target, tables.cache, pool->cache, caches, sizeof tables.cache[0]);
    magazines = copy_table(target, tables.magazine, pool->magazine, magazines, sizeof tables.magazine[0]);
    pool->processors = copy_table(target, tables.processor, pool->processor, LESSER(pool->processors, PROCESSORS),
                                  sizeof tables.processor[0]);
    atomic_store_explicit(&pool->chunks, chunks, memory_order_relaxed);
    atomic_store_explicit(&pool->caches, caches, memory_order_relaxed);
    atomic_store_explicit(&pool->magazines, magazines, memory_order_relaxed);
    pool->chunk = tables.chunk;
    pool->place = tables.place;
    pool->cache = tables.cache;
    pool->magazine = tables.magazine;
    pool->processor = tables.processor;
}

static void read_pool(const struct remote_process *target, struct fixed_pool *pool, struct remote_pool *found)
{
    bring_tables(target, pool);
    memcpy(found->name, pool->name, sizeof found->name - 1);
    found->name[sizeof found->name - 1] = '\0';
    found->block = pool->block;
    fixed_statistics_take(pool, &found->figures);
}

/* Reads the pools of a process. The table of pools is NULL if the process has not made a pool yet. */
static enum remote_process_state read_pools(const struct remote_process *target, struct remote_pools *pools)
{
    static struct fixed_pool records[FIXED_POOLS];
    const struct span *object = &target->view.object[INSPECT_FIXED];
    const struct fixed_pool *table = NULL;
    if (object->size != sizeof(void *)) {
        return REMOTE_OTHER;
    }
    enum remote_process_state state = remote_process_copy(target, &table, object->start, sizeof(void *));
    if (state != REMOTE_READ || table == NULL) {
        return state;
    }
    state = remote_process_copy(target, records, table, sizeof records);
    for (unsigned i = 0; state == REMOTE_READ && i < FIXED_POOLS && pools->count < REMOTE_POOLS; i++) {
        if (fixed_is_open(&records[i]) && records[i].name[0] != '\0') {
            read_pool(target, &records[i], &pools->pool[pools->count++]);
        }
    }
    return state;
}

enum remote_process_state remote_pools_read(const struct remote_process *target, struct remote_pools *pools)
{
    remote_pools_clear(pools);
    enum remote_process_state state = read_pools(target, pools);
    return state == REMOTE_READ ? remote_buffers_read(target, &pools->buffers) : state;
}

/*
 * Returns the entry of `sum` for pools of this name and block size. Adds an empty entry if there is none. Returns NULL
 * if the array is full.
 */
static struct remote_pool *find_sum(struct remote_pools *sum, const struct remote_pool *pool)
{
    unsigned at = 0;
    while (at < sum->count && (sum->pool[at].block != pool->block || strcmp(sum->pool[at].name, pool->name) != 0)) {
        at++;
    }
    if (at == REMOTE_POOLS) {
        return NULL;
    }
    if (at == sum->count) {
        sum->pool[sum->count] = (struct remote_pool){.block = pool->block};
        memcpy(sum->pool[sum->count++].name, pool->name, sizeof pool->name);
    }
    return &sum->pool[at];
}

void remote_pools_add(struct remote_pools *sum, const struct remote_pools *pools)
{
    for (unsigned i = 0; i < pools->count; i++) {
        const struct fixed_figures *figures = &pools->pool[i].figures;
        struct remote_pool *to = find_sum(sum, &pools->pool[i]);
        if (to != NULL) {
#define POOL_ADD(name, unit, help) to->figures.name += figures->name;
            FIXED_FIGURE_ROWS(POOL_ADD)
            FIXED_EVENT_ROWS(POOL_ADD)
#undef POOL_ADD
        }
    }
    remote_buffers_add(&sum->buffers, &pools->buffers);
}
