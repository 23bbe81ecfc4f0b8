/* Fixed-size pools (sockmalloc_pool_*): allocates and frees a block in each kind of pool, and has the other calls for
 * an open pool: trim, report, pin, chunks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "buffers/fixed_cache.h"
#include "buffers/fixed_chunk.h"
#include "buffers/fixed_in_use.h"
#include "buffers/fixed_percpu.h"
#include "buffers/fixed_reclaim.h"
#include "buffers/fixed_shared.h"
#include "buffers/fixed_table.h"
#include "config/message.h"
#include "os/os.h"

/* --- allocation --- */

/* Allocates a block in a pool of the kind `thread`: from the thread's private magazine, which is refilled if it is
 * empty. */
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
 * Allocates a block in a pool of any kind. Also works if the thread has no cache, or must not use its cache because the
 * cache is busy.
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

/* Finds the calling thread's cache in the pool, and marks the cache as busy. Returns false if the thread has no cache,
 * or if the cache is busy already. */
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

/*
 * Gives back memory that has been free for as long as the pool's age, a time that the program has set. Moves the blocks
 * in the public magazines of idle threads to the shared free list, so that a later call of this function can give back
 * their memory.
 */
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

/* Puts a block, which is already marked as free (FIXED_FREE), into a magazine or the shared free list, as the pool's
 * kind requires. */
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

/* Marks a live block as free. Returns false if a walk over the blocks in use (sockmalloc_pool_each) is looking at the
 * block; the walk then completes the free. Ends the process if the block is not live. */
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

/* Frees a block in a pool of any kind. Also works if the thread has no cache, or must not use its cache because the
 * cache is busy. Ends the process if no live block begins at `block`. Does nothing for NULL. */
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
 * Finds the state byte of the live block that begins at the address. Looks only at the entry of the hash table at which
 * the search for the address begins. Returns false if this entry does not name the block's chunk, or if no live block
 * begins at the address. The caller then takes the slow path.
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

/*
 * free_outside and give_outside do the rare work of a free. They also mark the cache as no longer busy. So
 * sockmalloc_pool_free has nothing to do after the call of one of them, and need not save a register for that.
 */
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
 * change. After adding a pin, waits for the purges of single blocks to end, because these do not hold the lock. So no
 * thread is still giving memory back once a pin was added. Returns 0, or -1 with errno set.
 */
static int change_pins(struct fixed_pool *pool, bool pin)
{
    if (!fixed_is_open(pool)) {
        errno = EINVAL;
        return -1;
    }
    if ((pin && fixed_is_purging()) || !lock_take(&pool->lock)) {
        errno = EBUSY;
        return -1;
    }
    bool valid = pin || pool->pins > 0;
    if (valid) {
        pool->pins += pin ? 1 : -1;
        atomic_fetch_add_explicit(&pool->holds, pin ? 1 : (uint32_t)-1, memory_order_seq_cst);
    }
    lock_release(&pool->lock);
    if (!valid) {
        errno = EINVAL;
        return -1;
    }
    if (pin) {
        fixed_await_purges(pool);
    }
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
    void *start = fixed_is_open(pool) && index >= 0 && index < FIXED_CHUNKS ? fixed_start(pool, (uint32_t)index) : NULL;
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

/* --- this pool's blocks as the memory of another pool --- */

/* The function `allocate` of a struct sockmalloc_pool_source: returns a block of the pool `context`, or NULL with
 * EINVAL if the size or the alignment is larger than that of the pool's blocks. */
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
