/* The cache of each thread in a fixed-size pool: a private and a public magazine of free blocks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_cache.h"

#include <pthread.h>

#include "base/bounds.h"
#include "buffers/fixed_shared.h"
#include "os/os.h"

/* How many public magazines of other threads a thread looks at, before it ends its search for one that it can use. */
enum { WALK = 16 };

struct lock fixed_lock;
struct fixed_cache fixed_cache_none = {.busy = 1};

static pthread_key_t key;
static LARGE_OBJECT struct fixed_thread unopened; /* stands in place of the record of a thread that has no caches yet */
/* stands in place of the record of a thread that has closed its caches at its end */
static LARGE_OBJECT struct fixed_thread ended;
_Thread_local struct fixed_thread *fixed_thread_mine __attribute__((tls_model("initial-exec"))) = &unopened;

static uint32_t count_of(const struct fixed_magazine *magazine)
{
    return atomic_load_explicit(&magazine->count, memory_order_relaxed);
}

/*
 * Replaces the public magazine of a cache by `magazine`, and returns the former one. Release: the thread that later
 * gets `magazine` sees the blocks in it and their states. Acquire: this thread sees the blocks and states of the
 * magazine that it gets.
 */
static struct fixed_magazine *exchange_public(struct fixed_cache *cache, struct fixed_magazine *magazine)
{
    return atomic_exchange_explicit(&cache->public_magazine, magazine, memory_order_acq_rel);
}

/* --- the private magazine and its tally --- */

static void tally_begin(struct fixed_cache *cache, uint32_t blocks)
{
    atomic_store_explicit(&cache->tally_blocks, blocks, memory_order_relaxed);
    atomic_store_explicit(&cache->tally, FIXED_TALLY_START + blocks, memory_order_relaxed);
}

void fixed_cache_count(struct fixed_cache *cache)
{
    uint64_t tally = fixed_cache_tally(cache);
    uint32_t before = atomic_load_explicit(&cache->tally_blocks, memory_order_relaxed);
    tally_begin(cache, fixed_tally_blocks(tally));
    counter_add(&cache->requests, fixed_tally_requests(tally, before));
    counter_add(&cache->frees, fixed_tally_frees(tally));
}

/*
 * Takes the private magazine out of the cache and returns it. Writes into the magazine how many blocks it has, because
 * until now only the cache has counted them, and from now on any thread may use the magazine. The caller must then call
 * private_set, which gives the cache another private magazine.
 */
static struct fixed_magazine *private_remove(struct fixed_cache *cache)
{
    fixed_cache_count(cache);
    atomic_store_explicit(&cache->private_magazine->count, fixed_tally_blocks(fixed_cache_tally(cache)),
                          memory_order_relaxed);
    tally_begin(cache, 0);
    return cache->private_magazine;
}

/* Makes `magazine` the private one of the cache. Returns how many blocks it has. */
static uint32_t private_set(struct fixed_cache *cache, struct fixed_magazine *magazine)
{
    uint32_t blocks = count_of(magazine);
    cache->private_magazine = magazine;
    tally_begin(cache, blocks);
    atomic_store_explicit(&magazine->count, 0, memory_order_relaxed);
    return blocks;
}

/* Exchanges the private magazine of `cache` for the public one of `other`, which may be the same cache. Returns how
 * many blocks the new private magazine has. */
static uint32_t private_exchange(struct fixed_cache *cache, struct fixed_cache *other)
{
    return private_set(cache, exchange_public(other, private_remove(cache)));
}

/* Moves all blocks of the private magazine to the shared free list. */
static void private_flush(struct fixed_pool *pool, struct fixed_cache *cache)
{
    struct fixed_magazine *magazine = private_remove(cache);
    fixed_shared_flush(pool, magazine);
    private_set(cache, magazine);
}

/* --- threads and their caches --- */

/* Moves all blocks of the cache's two magazines to the shared free list. */
static void cache_empty(struct fixed_pool *pool, struct fixed_cache *cache)
{
    private_flush(pool, cache);
    private_exchange(cache, cache);
    private_flush(pool, cache);
}

void fixed_cache_empty_own(struct fixed_pool *pool)
{
    struct fixed_cache *cache = fixed_cache_known(pool);
    if (fixed_cache_enter(cache)) {
        cache_empty(pool, cache);
        fixed_cache_leave(cache);
    }
}

/* Closes all caches of a thread; libc calls it when the thread ends. If a later destructor of the thread frees a block,
 * that block goes to the shared free list. */
static void thread_end(void *argument)
{
    struct fixed_thread *mine = argument;
    fixed_thread_mine = &ended;
    bool locked = lock_take(&fixed_lock);
    for (uint32_t number = 0; locked && number < FIXED_POOLS; number++) {
        struct fixed_cache *cache = mine->cache[number];
        if (cache != &fixed_cache_none) {
            cache_empty(cache->pool, cache);
            atomic_store_explicit(&cache->busy, 0, memory_order_relaxed);
            cache->owner = NULL;
        }
    }
    if (locked) {
        lock_release(&fixed_lock);
        os_release((char *)mine, os_round_to_pages(sizeof *mine));
    }
}

static void thread_clear(struct fixed_thread *thread)
{
    for (uint32_t number = 0; number < FIXED_POOLS; number++) {
        thread->cache[number] = &fixed_cache_none;
    }
}

bool fixed_cache_start(void)
{
    thread_clear(&unopened);
    thread_clear(&ended);
    return pthread_key_create(&key, thread_end) == 0;
}

static struct fixed_thread *thread_open(void)
{
    struct fixed_thread *mine = (struct fixed_thread *)(void *)os_map(os_round_to_pages(sizeof *mine));
    if (mine == NULL) {
        return NULL;
    }
    thread_clear(mine);
    if (pthread_setspecific(key, mine) != 0) {
        os_release((char *)mine, os_round_to_pages(sizeof *mine));
        return NULL;
    }
    fixed_thread_mine = mine;
    return mine;
}

/* Returns a magazine that was never used, and counts it as used. Returns NULL if all FIXED_MAGAZINES have been used. */
static struct fixed_magazine *magazine_new(struct fixed_pool *pool)
{
    uint32_t number = atomic_load_explicit(&pool->magazines, memory_order_relaxed);
    do {
        if (number >= FIXED_MAGAZINES) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&pool->magazines, &number, number + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return &pool->magazine[number];
}

/*
 * Makes the record of a cache ready for a thread, with two magazines that were never used. Two such magazines are
 * always left, because there are at most FIXED_CACHES caches, and the depot leaves enough unused magazines for all of
 * them.
 */
static void cache_prepare(struct fixed_pool *pool, struct fixed_cache *cache, uint32_t number)
{
    cache->number = number;
    cache->pool = pool;
    private_set(cache, magazine_new(pool));
    /* release: a thread that finds this magazine sees that it is empty */
    atomic_store_explicit(&cache->public_magazine, magazine_new(pool), memory_order_release);
}

/* Returns the record of a cache that no thread has, or NULL if threads have all FIXED_CACHES. The caller holds
 * fixed_lock. */
static struct fixed_cache *cache_find(struct fixed_pool *pool)
{
    uint32_t caches = atomic_load_explicit(&pool->caches, memory_order_relaxed);
    for (uint32_t number = 0; number < caches; number++) {
        if (pool->cache[number].owner == NULL) {
            return &pool->cache[number];
        }
    }
    if (caches == FIXED_CACHES) {
        return NULL;
    }
    cache_prepare(pool, &pool->cache[caches], caches);
    atomic_store_explicit(&pool->caches, caches + 1, memory_order_release);
    return &pool->cache[caches];
}

struct fixed_cache *fixed_cache_open(struct fixed_pool *pool)
{
    struct fixed_thread *mine = fixed_thread_mine;
    if (mine == &ended || pool->capacity == 0) {
        return &fixed_cache_none;
    }
    if (mine == &unopened) {
        mine = thread_open();
    }
    if (mine == NULL || !lock_take(&fixed_lock)) {
        return &fixed_cache_none;
    }
    struct fixed_cache *cache = cache_find(pool);
    if (cache != NULL) {
        cache->owner = mine;
        mine->cache[pool->number] = cache;
    }
    lock_release(&fixed_lock);
    return cache != NULL ? cache : &fixed_cache_none;
}

void fixed_cache_forget(struct fixed_pool *pool)
{
    uint32_t caches = atomic_load_explicit(&pool->caches, memory_order_relaxed);
    for (uint32_t number = 0; number < caches; number++) {
        struct fixed_thread *owner = pool->cache[number].owner;
        if (owner != NULL) {
            owner->cache[pool->number] = &fixed_cache_none;
        }
    }
}

void fixed_cache_reset(struct fixed_pool *pool)
{
    uint32_t caches = atomic_load_explicit(&pool->caches, memory_order_relaxed);
    uint32_t magazines = atomic_exchange_explicit(&pool->magazines, 1, memory_order_relaxed);
    for (uint32_t number = 0; number < magazines && caches > 0; number++) {
        atomic_store_explicit(&pool->magazine[number].count, 0, memory_order_relaxed);
    }
    pool->spare_magazine = pool->magazine;
    stack_reset(&pool->full);
    stack_reset(&pool->empty);
    for (uint32_t number = 0; number < caches; number++) {
        struct fixed_cache *cache = &pool->cache[number];
        atomic_store_explicit(&cache->busy, 0, memory_order_relaxed);
        fixed_cache_count(cache);
        cache_prepare(pool, cache, number);
        if (cache->owner != fixed_thread_mine) {
            cache->owner = NULL;
        }
    }
}

/* --- magazines between threads --- */

/*
 * Exchanges the cache's private magazine for the public one of another thread. If `wants_blocks`, the private magazine
 * is empty, and the other one must have blocks. Otherwise the private magazine is full, and the other one must have
 * space. Returns false if there is no such magazine among the first WALK. The number of blocks in another thread's
 * magazine is only a hint, because the magazine may get another owner before the exchange. That number can be read
 * safely, because magazines stay mapped as long as the pool exists.
 */
static bool steal_public(struct fixed_pool *pool, struct fixed_cache *cache, bool wants_blocks)
{
    uint32_t caches = atomic_load_explicit(&pool->caches, memory_order_acquire);
    for (uint32_t step = 1; step <= WALK && step < caches; step++) {
        struct fixed_cache *other = &pool->cache[(cache->number + step) % caches];
        struct fixed_magazine *magazine = atomic_load_explicit(&other->public_magazine, memory_order_acquire);
        counter_add(&cache->walks, 1);
        if (wants_blocks ? count_of(magazine) == 0 : count_of(magazine) >= pool->capacity / 2) {
            continue;
        }
        uint32_t count = private_exchange(cache, other);
        if (wants_blocks ? count > 0 : count < pool->capacity) {
            counter_add(&cache->steals, 1);
            return true;
        }
    }
    return false;
}

static uint32_t magazine_number(const struct fixed_pool *pool, const struct fixed_magazine *magazine)
{
    return (uint32_t)(magazine - pool->magazine);
}

/* Returns an empty magazine, with which the caller replaces a full one that goes to the depot. Returns NULL if there is
 * none. Leaves enough unused magazines for the caches that may still be opened. */
static struct fixed_magazine *depot_take_empty(struct fixed_pool *pool)
{
    uint32_t number = stack_pop(&pool->empty, pool->magazine_links, 0);
    if (number != STACK_EMPTY) {
        return &pool->magazine[number];
    }
    uint32_t used = atomic_load_explicit(&pool->magazines, memory_order_relaxed);
    return used < FIXED_MAGAZINES - 2 * FIXED_CACHES ? magazine_new(pool) : NULL;
}

/*
 * Moves the private magazine, which is full, to the depot, and replaces it by an empty one. Returns false if the pool
 * has no depot or no empty magazine. Only a pool that never gives memory back by itself has a depot: a chunk whose
 * blocks lie in magazines of the depot could not be given back.
 */
static bool depot_put(struct fixed_pool *pool, struct fixed_cache *cache)
{
    bool has_depot = pool->returned == SOCKMALLOC_POOL_NEVER && pool->limit == UINT64_MAX;
    struct fixed_magazine *empty = has_depot ? depot_take_empty(pool) : NULL;
    if (empty == NULL) {
        return false;
    }
    stack_push(&pool->full, pool->magazine_links, 0, magazine_number(pool, private_remove(cache)));
    private_set(cache, empty);
    return true;
}

/* Replaces the private magazine, which is empty, by a full one from the depot. Returns false if the depot has none. */
static bool depot_take(struct fixed_pool *pool, struct fixed_cache *cache)
{
    uint32_t number = stack_pop(&pool->full, pool->magazine_links, 0);
    if (number == STACK_EMPTY) {
        return false;
    }
    stack_push(&pool->empty, pool->magazine_links, 0, magazine_number(pool, private_remove(cache)));
    private_set(cache, &pool->magazine[number]);
    return true;
}

/*
 * Fills the private magazine, which is empty, with blocks of the shared free list. Returns false if there is no memory.
 */
static bool private_fill(struct fixed_pool *pool, struct fixed_cache *cache)
{
    struct fixed_magazine *magazine = private_remove(cache);
    fixed_shared_fill(pool, magazine, GREATER(pool->capacity / 2, 1));
    return private_set(cache, magazine) > 0;
}

bool fixed_cache_refill(struct fixed_pool *pool, struct fixed_cache *cache)
{
    if (private_exchange(cache, cache) > 0) {
        counter_add(&cache->swaps, 1);
        return true;
    }
    return depot_take(pool, cache) || steal_public(pool, cache, true) || private_fill(pool, cache);
}

void fixed_cache_flush(struct fixed_pool *pool, struct fixed_cache *cache)
{
    if (private_exchange(cache, cache) < pool->capacity) {
        counter_add(&cache->swaps, 1);
        return;
    }
    if (!steal_public(pool, cache, false) && !depot_put(pool, cache)) {
        private_flush(pool, cache);
    }
}

/* Moves all blocks of the depot's magazines to the shared free list. */
static void depot_drain(struct fixed_pool *pool)
{
    for (;;) {
        uint32_t number = stack_pop(&pool->full, pool->magazine_links, 0);
        if (number == STACK_EMPTY) {
            return;
        }
        fixed_shared_flush(pool, &pool->magazine[number]);
        stack_push(&pool->empty, pool->magazine_links, 0, number);
    }
}

/*
 * Replaces one public magazine after the other by an empty one, and moves the blocks of the replaced magazine to the
 * shared free list. The replaced magazine is then empty, and replaces the next public magazine. The first empty
 * magazine is the pool's spare one, which no other thread uses meanwhile, because the caller holds the pool's lock.
 */
void fixed_cache_drain(struct fixed_pool *pool, bool only_idle)
{
    uint32_t caches = atomic_load_explicit(&pool->caches, memory_order_acquire);
    struct fixed_magazine *empty = pool->spare_magazine;
    for (uint32_t number = 0; number < caches; number++) {
        struct fixed_cache *cache = &pool->cache[number];
        uint64_t swaps = counter_read(&cache->swaps);
        bool idle = swaps == cache->seen_swaps;
        cache->seen_swaps = swaps;
        if (idle || !only_idle) {
            empty = exchange_public(cache, empty);
            fixed_shared_flush(pool, empty);
        }
    }
    pool->spare_magazine = empty;
    depot_drain(pool);
}
