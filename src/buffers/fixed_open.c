/* Makes and destroys a fixed-size pool (sockmalloc_pool_create and _destroy): checks the options, and lays out the
 * pool's chunks and tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "base/bounds.h"
#include "buffers/fixed_cache.h"
#include "buffers/fixed_chunk.h"
#include "buffers/fixed_in_use.h"
#include "buffers/fixed_table.h"
#include "os/os.h"
#include "os/os_processors.h"

enum {
    BLOCK_MAX = 1 << 30,
    CHUNK_MAX = 1 << 30,
    /* the size of a chunk in bytes, unless the program sets a size or CHUNK_BLOCKS blocks need more space */
    CHUNK_USUAL = 512 << 10,
    CHUNK_LARGE = 4 << 20, /* if CHUNK_BLOCKS blocks need more than CHUNK_USUAL, a chunk has at most this many bytes */
    CHUNK_BLOCKS = 16,     /* a chunk has space for this many blocks if they fit into CHUNK_LARGE bytes */
    /* the blocks in a magazine have at most this many bytes together, but a single block may be larger */
    MAGAZINE_BYTES = 256 << 10,
    /* limits a magazine as MAGAZINE_BYTES does, but in a pool that never gives memory back by itself */
    MAGAZINE_KEPT = 4 << 20
};

static uint64_t milliseconds(uint32_t count)
{
    return count * UINT64_C(1000000);
}

static bool is_one_of(int value, int count)
{
    return value >= 0 && value < count;
}

static bool options_make_sense(const struct sockmalloc_pool_options *options)
{
    const struct sockmalloc_pool_source *source = &options->source;
    const unsigned known = SOCKMALLOC_POOL_IN_USE | SOCKMALLOC_POOL_KEEP_ADDRESSES;
    return options->size == sizeof *options && options->block > 0 && options->block <= BLOCK_MAX &&
           options->chunk <= CHUNK_MAX && is_one_of(options->kind, SOCKMALLOC_POOL_CPU + 1) &&
           is_one_of(options->alignment, SOCKMALLOC_POOL_BY_PAGE + 1) &&
           is_one_of(options->returned, SOCKMALLOC_POOL_AT_ONCE + 1) && (options->flags & ~known) == 0 &&
           (options->name == NULL || strlen(options->name) < FIXED_NAME_SIZE) &&
           (source->allocate == NULL) == (source->release == NULL);
}

/* Sets the distance from a block to the next, the number of blocks in a chunk, and all sizes that follow from these two
 * numbers. */
static void create_geometry(struct fixed_pool *pool, const struct sockmalloc_pool_options *options)
{
    size_t unit = options->alignment == SOCKMALLOC_POOL_BY_PAGE ? os_page_size() : CACHE_LINE;
    size_t stride = (options->block + unit - 1) / unit * unit;
    size_t usual = GREATER(CHUNK_USUAL, LESSER(CHUNK_BLOCKS * stride, CHUNK_LARGE));
    size_t blocks = (options->chunk != 0 ? options->chunk : usual) / stride;
    pool->block = options->block;
    pool->stride = stride;
    pool->reciprocal = UINT64_MAX / stride + 1;
    pool->blocks = (uint32_t)GREATER(LESSER(blocks, FIXED_BLOCKS), 1);
    pool->bytes = pool->blocks * stride;
    pool->chunk_size = os_round_to_pages(pool->bytes);
    while ((UINT64_C(1) << pool->hash_shift) < pool->bytes) {
        pool->hash_shift++;
    }
    size_t links = ((size_t)pool->blocks + 1) / 2 * 2;
    size_t each = pool->in_use ? sizeof(struct fixed_use) : 0;
    size_t meta = links + links * sizeof(uint16_t) + pool->blocks * each;
    pool->meta_size = (meta + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* Sets where the pool keeps free blocks, how many of them, and when it gives their memory back. */
static void create_policy(struct fixed_pool *pool, const struct sockmalloc_pool_options *options)
{
    bool at_once = options->returned == SOCKMALLOC_POOL_AT_ONCE;
    bool has_magazines =
        (options->kind == SOCKMALLOC_POOL_THREAD && !pool->in_use) || options->kind == SOCKMALLOC_POOL_CPU;
    pool->kind = (uint32_t)options->kind;
    pool->returned = (uint32_t)options->returned;
    pool->age = milliseconds(options->age_ms);
    pool->limit = at_once ? 0 : options->free_limit != 0 ? options->free_limit : UINT64_MAX;
    pool->report = options->report;
    size_t bytes =
        pool->returned == SOCKMALLOC_POOL_NEVER && pool->limit == UINT64_MAX ? MAGAZINE_KEPT : MAGAZINE_BYTES;
    size_t most = LESSER(GREATER(bytes / pool->stride, 1), FIXED_MAGAZINE);
    pool->capacity = at_once || !has_magazines ? 0 : (uint32_t)most;
    pool->processors = options->kind == SOCKMALLOC_POOL_CPU ? os_processors() : 0;
}

/* Reserves `size` bytes for a table, `*used` bytes after the start of pool->area, the memory of all tables. Returns the
 * address of the table, and advances *used to the first cache line behind the table. */
static char *create_cut(struct fixed_pool *pool, size_t *used, size_t size)
{
    char *start = pool->area + *used;
    *used += (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return start;
}

/* Reserves `size` bytes for a table as create_cut does, but first advances *used to a page boundary plus `colour`
 * bytes. */
static char *create_cut_at(struct fixed_pool *pool, size_t *used, size_t size, size_t colour)
{
    const size_t page = 4096;
    *used = (*used + page - 1) / page * page + colour;
    return create_cut(pool, used, size);
}

/*
 * Sets the addresses of all tables of the pool, from pool->area on, and returns how many bytes the tables take
 * together. sockmalloc_pool_create calls this function twice: before the area is mapped, to learn its size, and
 * afterwards. Pages of the tables become resident only when they are used. Stores in *no_states the address of one more
 * table, which create_nowhere needs.
 */
static size_t create_tables(struct fixed_pool *pool, char **no_states)
{
    size_t used = 0;
    size_t caches = pool->kind == SOCKMALLOC_POOL_THREAD && pool->capacity > 0 ? FIXED_CACHES : 0;
    size_t magazines = caches > 0 ? FIXED_MAGAZINES : 0;
    pool->cache = (void *)create_cut_at(pool, &used, caches * sizeof *pool->cache, FIXED_COLOUR_CACHES);
    pool->magazine = (void *)create_cut_at(pool, &used, magazines * sizeof *pool->magazine, FIXED_COLOUR_MAGAZINES);
    pool->chunk = (void *)create_cut(pool, &used, FIXED_CHUNKS * sizeof *pool->chunk);
    pool->place = (void *)create_cut_at(pool, &used, (FIXED_CHUNKS + 2) * sizeof *pool->place, FIXED_COLOUR_PLACES);
    pool->hash = (void *)create_cut(pool, &used, FIXED_HASH * sizeof *pool->hash);
    pool->links = (void *)create_cut(pool, &used, FIXED_CHUNKS * sizeof *pool->links);
    pool->processor = (void *)create_cut(pool, &used, pool->processors * sizeof *pool->processor);
    pool->magazine_links = (void *)create_cut(pool, &used, magazines * sizeof *pool->magazine_links);
    *no_states = create_cut(pool, &used, FIXED_BLOCKS);
    pool->spare_magazine = pool->magazine;
    atomic_store_explicit(&pool->magazines, 1, memory_order_relaxed);
    return os_round_to_pages(used);
}

/*
 * Fills the first and the last entry of pool->place. fixed_first_place_at returns one of these two entries if it finds
 * no chunk. Both describe a dummy chunk, whose addresses no process can use. `states` is the array of states of the
 * dummy's blocks. All its bytes are 0, so no block counts as live.
 */
static void create_nowhere(struct fixed_pool *pool, char *states)
{
    struct fixed_place *ends[] = {&pool->place[0], &pool->place[FIXED_CHUNKS + 1]};
    for (unsigned i = 0; i < 2; i++) {
        atomic_store_explicit(&ends[i]->start, FIXED_NOWHERE, memory_order_relaxed);
        atomic_store_explicit(&ends[i]->meta, states, memory_order_relaxed);
    }
}

EXPORTED struct sockmalloc_pool *sockmalloc_pool_create(const struct sockmalloc_pool_options *options)
{
    if (options == NULL || !options_make_sense(options)) {
        errno = EINVAL;
        return NULL;
    }
    struct fixed_pool *pool = fixed_table_add();
    if (pool == NULL) {
        return NULL;
    }
    pool->flags = options->flags;
    pool->in_use = (options->flags & SOCKMALLOC_POOL_IN_USE) != 0;
    pool->has_source = options->source.allocate != NULL;
    pool->source = options->source;
    strncpy(pool->name, options->name != NULL ? options->name : "", FIXED_NAME_SIZE - 1);
    create_geometry(pool, options);
    create_policy(pool, options);
    char *no_states;
    pool->area_size = create_tables(pool, &no_states);
    pool->area = os_map(pool->area_size);
    if (pool->area == NULL) {
        fixed_table_remove(pool);
        errno = ENOMEM;
        return NULL;
    }
    create_tables(pool, &no_states);
    create_nowhere(pool, no_states);
    atomic_store_explicit(&pool->mark, FIXED_OPEN, memory_order_release);
    return (struct sockmalloc_pool *)(void *)pool;
}

/* Undoes sockmalloc_pool_create. No thread may use the pool any more, but threads that have a cache in it may be ending
 * meanwhile. */
static void close_pool(struct fixed_pool *pool)
{
    lock_take(&fixed_lock);
    atomic_store_explicit(&pool->mark, FIXED_CLOSING, memory_order_relaxed);
    fixed_cache_forget(pool);
    lock_release(&fixed_lock);
    fixed_chunk_close(pool);
    os_release(pool->area, pool->area_size);
    fixed_table_remove(pool);
}

EXPORTED int sockmalloc_pool_destroy(struct sockmalloc_pool *handle, unsigned flags)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    if (!fixed_is_open(pool) || (flags & ~(unsigned)SOCKMALLOC_POOL_ALL_THE_SAME) != 0) {
        errno = EINVAL;
        return -1;
    }
    bool in_use = fixed_in_use_count(pool) > 0;
    if (in_use && pool->report >= 0) {
        fixed_in_use_report(pool, pool->report);
    }
    if (in_use && (flags & SOCKMALLOC_POOL_ALL_THE_SAME) == 0) {
        errno = EBUSY;
        return -1;
    }
    close_pool(pool);
    return 0;
}
