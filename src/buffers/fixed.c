/* Fixed-size pools (sockmalloc_pool_*): makes and destroys a pool, and allocates and frees a block in each kind of
 * pool. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "base/bounds.h"
#include "buffers/buffer_memory.h"
#include "buffers/fixed_cache.h"
#include "buffers/fixed_chunk.h"
#include "buffers/fixed_in_use.h"
#include "buffers/fixed_percpu.h"
#include "buffers/fixed_reclaim.h"
#include "buffers/fixed_shared.h"
#include "buffers/fixed_table.h"
#include "config/message.h"
#include "os/os.h"
#include "os/os_process.h"

enum {
    BLOCK_MAX = 1 << 30,
    CHUNK_MAX = 1 << 30,
    /* the size of a chunk in bytes if the program sets none; larger if CHUNK_BLOCKS blocks need more space, ... */
    CHUNK_USUAL = 512 << 10,
    CHUNK_LARGE = 4 << 20, /* ... but then at most this many bytes */
    CHUNK_BLOCKS = 16,     /* how many blocks such a larger chunk is to have */
    /* a magazine holds so many blocks that they have at most this many bytes together, but at least one */
    MAGAZINE_BYTES = 256 << 10,
    MAGAZINE_KEPT = 4 << 20 /* the same limit for a pool that never gives memory back by itself */
};

static uint64_t milliseconds(uint32_t count)
{
    return count * UINT64_C(1000000);
}

/* --- creation --- */

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

/* Sets the distance of two blocks, how many blocks a chunk of the pool has, and all sizes that follow from these two
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

/* Reserves `size` bytes for a table in the pool's area, `*used` bytes after the area's start. Returns the address of
 * the table, and advances *used to the first cache line behind the table. */
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
 * Sets the addresses of all tables of the pool, and returns how many bytes the tables take together. Their pages become
 * resident only when they are used. Stores in *no_states the address of a table of states for blocks that do not exist.
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

/* Makes the first and the last place of the table stand for a chunk that does not exist, whose blocks have `states`.
 * fixed_first_place_at returns one of these places if it finds no chunk. */
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

/* --- allocation --- */

static void *take_by_thread(struct fixed_pool *pool)
{
    struct fixed_cache *cache = fixed_cache_mine(pool);
    if (!fixed_cache_enter(cache)) {
        return fixed_shared_take_one(pool);
    }
    const struct fixed_item *item = fixed_cache_pop(cache);
    if (item == NULL && fixed_cache_refill(pool, cache)) {
        item = fixed_cache_pop(cache);
    }
    void *block = item != NULL ? item->block : NULL;
    fixed_cache_leave(cache);
    return block;
}

/* Allocates a block in a pool of the kind `standard`, under the pool's mutex. Releases the mutex before the pool gets
 * another chunk, because that may take long. */
static void *take_by_mutex(struct fixed_pool *pool)
{
    bool locked = lock_take(&pool->mutex);
    uint32_t number;
    uint32_t count = fixed_shared_take_free(pool, 1, &number);
    counter_add(&pool->requests, count);
    if (locked) {
        lock_release(&pool->mutex);
    }
    if (count == 0) {
        return fixed_shared_take_one(pool);
    }
    fixed_set_state(pool, number, FIXED_LIVE);
    return fixed_address(pool, number);
}

/* Allocates a block as the pool's kind requires, and marks it as live. Returns NULL if there is no memory. */
static void *take(struct fixed_pool *pool)
{
    switch (pool->kind) {
    case SOCKMALLOC_POOL_THREAD:
        return take_by_thread(pool);
    case SOCKMALLOC_POOL_STANDARD:
        return take_by_mutex(pool);
    case SOCKMALLOC_POOL_CPU:
        return fixed_percpu_take(pool);
    default:
        return fixed_shared_take_one(pool);
    }
}

static void *refuse(struct fixed_pool *pool)
{
    fixed_count(&pool->refusals, 1);
    errno = ENOMEM;
    return NULL;
}

/*
 * Allocates a block in a pool of any kind; also works if the thread has no cache, or may not use it because it is busy.
 */
static OUT_OF_LINE void *allocate_slowly(struct fixed_pool *pool, const void *caller)
{
    if (!fixed_is_open(pool)) {
        errno = EINVAL;
        return NULL;
    }
    void *block = take(pool);
    if (block == NULL) {
        return refuse(pool);
    }
    if (pool->in_use) {
        fixed_in_use_note(pool, fixed_number_at(pool, block), caller);
    }
    return block;
}

/* Finds the calling thread's cache in the pool, and marks it as busy. Returns false if the thread has none, or if it is
 * busy already. */
FAST_PATH bool enter(const struct fixed_pool *pool, struct fixed_cache **cache)
{
    return LIKELY(pool != NULL) && LIKELY(fixed_cache_enter(*cache = fixed_cache_known(pool)));
}

/* Allocates a block of a fixed-size pool. The fast path serves a thread whose private magazine has a block, and calls
 * no function. */
EXPORTED void *sockmalloc_pool_alloc(struct sockmalloc_pool *handle)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    struct fixed_cache *cache;
    if (UNLIKELY(!enter(pool, &cache))) {
        return allocate_slowly(pool, CALLER);
    }
    const struct fixed_item *item = fixed_cache_pop(cache);
    if (UNLIKELY(item == NULL)) {
        fixed_cache_leave(cache);
        return allocate_slowly(pool, CALLER);
    }
    void *block = item->block;
    fixed_cache_leave(cache);
    return block;
}

/* --- free --- */

/* Gives back memory that has been free for as long as the pool's age, a time that the program has set. Blocks in the
 * public magazines of idle threads go to the shared free list, so that a later call finds them there. */
static void tick(struct fixed_pool *pool)
{
    if (pool->returned != SOCKMALLOC_POOL_BY_AGE) {
        return;
    }
    if (fixed_reclaim_old(pool) && pool->capacity > 0 && lock_take(&pool->lock)) {
        fixed_cache_drain(pool, true);
        lock_release(&pool->lock);
    }
}

/* Counts a free whose block does not go to the cache of a thread. After every FIXED_TICK_FREES of these frees, calls
 * tick, which gives back memory that has been free for long. */
static void count_shared_free(struct fixed_pool *pool)
{
    if (pool->returned == SOCKMALLOC_POOL_BY_AGE &&
        atomic_fetch_add_explicit(&pool->frees, 1, memory_order_relaxed) % FIXED_TICK_FREES == 0) {
        tick(pool);
    }
}

static void give_shared(struct fixed_pool *pool, void *block)
{
    fixed_shared_put_one(pool, block);
    count_shared_free(pool);
}

/* Calls tick, which gives back memory that has been free for long, because FIXED_TICK_FREES frees have gone to the
 * cache. Begins to count frees anew, and marks the cache as no longer busy. */
static OUT_OF_LINE void tick_by_thread(struct fixed_pool *pool, struct fixed_cache *cache)
{
    fixed_cache_count(cache);
    tick(pool);
    fixed_cache_leave(cache);
}

static void give_by_thread(struct fixed_pool *pool, struct fixed_item item)
{
    struct fixed_cache *cache = fixed_cache_mine(pool);
    bool due = false;
    if (!fixed_cache_enter(cache)) {
        give_shared(pool, item.block);
        return;
    }
    if (!fixed_cache_push(cache, item, pool->capacity, &due)) {
        fixed_cache_flush(pool, cache);
        fixed_cache_push(cache, item, pool->capacity, &due);
    }
    if (due) {
        tick_by_thread(pool, cache);
        return;
    }
    fixed_cache_leave(cache);
}

static void give_by_mutex(struct fixed_pool *pool, void *block)
{
    bool locked = lock_take(&pool->mutex);
    fixed_shared_put_one(pool, block);
    counter_add(&pool->returned_blocks, 1);
    if (locked) {
        lock_release(&pool->mutex);
    }
    count_shared_free(pool);
}

/* Puts a block, which is already marked as free (FIXED_FREE), to the free blocks: into a magazine or the shared free
 * list, as the pool's kind requires. */
static OUT_OF_LINE void give(struct fixed_pool *pool, void *block, _Atomic uint8_t *state)
{
    struct fixed_item item = {block, state};
    switch (pool->kind) {
    case SOCKMALLOC_POOL_THREAD:
        give_by_thread(pool, item);
        return;
    case SOCKMALLOC_POOL_STANDARD:
        give_by_mutex(pool, block);
        return;
    case SOCKMALLOC_POOL_CPU:
        fixed_percpu_put(pool, item);
        count_shared_free(pool);
        return;
    default:
        give_shared(pool, block);
    }
}

static COLD _Noreturn void die_of(const struct fixed_pool *pool, const void *block)
{
    const char *function = "sockmalloc_pool_free";
    if (!fixed_is_open(pool)) {
        message_die(MESSAGE_NO_POOL, function, block);
    }
    uint32_t chunk = fixed_chunk_at(pool, block);
    if (chunk == FIXED_NONE) {
        message_die(MESSAGE_POOL_FOREIGN, function, block, pool->name);
    }
    size_t inside = (size_t)((const char *)block - fixed_start(pool, chunk)) % pool->stride;
    if (inside != 0) {
        message_die(MESSAGE_POOL_INTERIOR, function, block, pool->name, inside);
    }
    message_die(MESSAGE_POOL_FREED, function, block, pool->name);
}

/* Marks a live block as free. Returns false if a walk is looking at the block; the walk then completes the free. Ends
 * the process if the block is not live. */
static bool free_state(struct fixed_pool *pool, uint32_t number, const void *block)
{
    enum fixed_state state = fixed_get_state(pool, number);
    if (pool->in_use) {
        state = fixed_in_use_free(pool, number);
    }
    if (state != FIXED_LIVE && state != FIXED_HELD) {
        die_of(pool, block);
    }
    if (!pool->in_use) {
        fixed_set_state(pool, number, FIXED_FREE);
    }
    return state == FIXED_LIVE;
}

/* Frees a block in a pool of any kind; also works if the thread has no cache, or may not use it because it is busy.
 * Ends the process if no live block begins at `block`. Does nothing for NULL. */
static OUT_OF_LINE void free_slowly(struct fixed_pool *pool, void *block)
{
    if (block == NULL) {
        return;
    }
    uint32_t number = fixed_is_open(pool) ? fixed_number_at(pool, block) : FIXED_NONE;
    if (number == FIXED_NONE) {
        die_of(pool, block);
    }
    if (free_state(pool, number, block)) {
        give(pool, block, fixed_state(pool, number));
    }
}

/*
 * Finds the state byte of the live block that begins at the address. Returns false if there is no such block, or if the
 * first entry of the hash table at which the search begins does not name the block's chunk; the caller then takes the
 * slow path.
 */
FAST_PATH bool find_live(const struct fixed_pool *pool, const void *block, _Atomic uint8_t **state)
{
    const struct fixed_place *place = fixed_first_place_at(pool, block);
    size_t offset = (uintptr_t)block - (uintptr_t)atomic_load_explicit(&place->start, memory_order_relaxed);
    size_t index;
    if (UNLIKELY(offset >= pool->bytes || !fixed_divide(pool, offset, &index))) {
        return false;
    }
    *state = (_Atomic uint8_t *)(void *)atomic_load_explicit(&place->meta, memory_order_relaxed) + index;
    return LIKELY(atomic_load_explicit(*state, memory_order_relaxed) == FIXED_LIVE);
}

/* free_outside and give_outside do what is rare in a free. They themselves mark the cache as no longer busy, so that
 * sockmalloc_pool_free, which calls them last, need not save a register of its caller. */
static OUT_OF_LINE void free_outside(struct fixed_pool *pool, void *block, struct fixed_cache *cache)
{
    fixed_cache_leave(cache);
    free_slowly(pool, block);
}

static OUT_OF_LINE void give_outside(struct fixed_pool *pool, void *block, struct fixed_cache *cache,
                                     _Atomic uint8_t *state)
{
    fixed_cache_leave(cache);
    give(pool, block, state);
}

/* Frees a block of a fixed-size pool. The fast path serves a thread whose private magazine has space, and calls no
 * function. */
EXPORTED void sockmalloc_pool_free(struct sockmalloc_pool *handle, void *block)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    struct fixed_cache *cache;
    if (UNLIKELY(!enter(pool, &cache))) {
        free_slowly(pool, block);
        return;
    }
    _Atomic uint8_t *state;
    if (UNLIKELY(!find_live(pool, block, &state))) {
        free_outside(pool, block, cache);
        return;
    }
    atomic_store_explicit(state, FIXED_FREE, memory_order_relaxed);
    bool due;
    if (UNLIKELY(!fixed_cache_push(cache, (struct fixed_item){block, state}, pool->capacity, &due))) {
        give_outside(pool, block, cache, state);
        return;
    }
    if (UNLIKELY(due)) {
        tick_by_thread(pool, cache);
        return;
    }
    fixed_cache_leave(cache);
}

/* --- the end --- */

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

/* --- what else a program may do with a pool --- */

EXPORTED size_t sockmalloc_pool_trim(struct sockmalloc_pool *handle)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    if (!fixed_is_open(pool)) {
        errno = EINVAL;
        return 0;
    }
    fixed_cache_empty_own(pool);
    if (pool->capacity > 0 && lock_take(&pool->lock)) {
        fixed_cache_drain(pool, false);
        fixed_percpu_drain(pool);
        lock_release(&pool->lock);
    }
    return fixed_reclaim_all(pool);
}

EXPORTED int sockmalloc_pool_report(struct sockmalloc_pool *handle, int descriptor)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    if (!fixed_is_open(pool)) {
        errno = EINVAL;
        return -1;
    }
    return fixed_in_use_report(pool, descriptor) ? 0 : -1;
}

/*
 * Adds a pin to the pool, or removes one. A pool with pins gives no memory back. The pool's lock is held for the
 * change, so that no other thread is still giving memory back when a pin has been added. Returns 0, or -1 with errno
 * set.
 */
static int change_pins(struct fixed_pool *pool, bool pin)
{
    if (!fixed_is_open(pool) || (!pin && pool->pins == 0)) {
        errno = EINVAL;
        return -1;
    }
    if (!lock_take(&pool->lock)) {
        errno = EBUSY;
        return -1;
    }
    pool->pins += pin ? 1 : -1;
    atomic_fetch_add_explicit(&pool->holds, pin ? 1 : (uint32_t)-1, memory_order_relaxed);
    lock_release(&pool->lock);
    return 0;
}

EXPORTED int sockmalloc_pool_pin(struct sockmalloc_pool *pool)
{
    return change_pins(fixed_pool_of(pool), true);
}

EXPORTED int sockmalloc_pool_unpin(struct sockmalloc_pool *pool)
{
    return change_pins(fixed_pool_of(pool), false);
}

EXPORTED int sockmalloc_pool_index(struct sockmalloc_pool *handle, const void *block)
{
    const struct fixed_pool *pool = fixed_pool_of(handle);
    uint32_t chunk = fixed_is_open(pool) ? fixed_chunk_at(pool, block) : FIXED_NONE;
    if (chunk == FIXED_NONE) {
        errno = EINVAL;
        return -1;
    }
    return (int)chunk;
}

EXPORTED void *sockmalloc_pool_base(struct sockmalloc_pool *handle, int index)
{
    const struct fixed_pool *pool = fixed_pool_of(handle);
    void *start = fixed_is_open(pool) && is_one_of(index, FIXED_CHUNKS) ? fixed_start(pool, (uint32_t)index) : NULL;
    if (start == NULL) {
        errno = EINVAL;
    }
    return start;
}

EXPORTED int sockmalloc_pool_chunks(struct sockmalloc_pool *handle, sockmalloc_pool_chunk *visit, void *context)
{
    struct fixed_pool *pool = fixed_pool_of(handle);
    int result = 0;
    if (!fixed_is_open(pool) || visit == NULL) {
        errno = EINVAL;
        return -1;
    }
    uint32_t chunks = atomic_load_explicit(&pool->chunks, memory_order_acquire);
    for (uint32_t chunk = 0; chunk < chunks && result == 0; chunk++) {
        char *start = fixed_start(pool, chunk);
        if (start != NULL) {
            result = visit(context, (int)chunk, start, pool->bytes);
        }
    }
    return result;
}

/* --- our blocks behind a program's own pool --- */

static void *regions_allocate(void *context, size_t size, size_t alignment)
{
    struct sockmalloc_pool *handle = context;
    const struct fixed_pool *pool = fixed_pool_of(handle);
    size_t own = pool->stride % os_page_size() == 0 ? os_page_size() : CACHE_LINE;
    if (size > pool->stride || alignment > own) {
        errno = EINVAL;
        return NULL;
    }
    return sockmalloc_pool_alloc(handle);
}

static void regions_release(void *context, void *start, size_t size)
{
    (void)size;
    sockmalloc_pool_free(context, start);
}

EXPORTED int sockmalloc_pool_of_regions(struct sockmalloc_pool *pool, struct sockmalloc_pool_source *source)
{
    if (!fixed_is_open(fixed_pool_of(pool)) || source == NULL) {
        errno = EINVAL;
        return -1;
    }
    *source = (struct sockmalloc_pool_source){regions_allocate, regions_release, pool};
    return 0;
}
