/* Gives back memory of the free blocks of a fixed-size pool: whole chunks, or pages on which all blocks are free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_reclaim.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "buffers/fixed_chunk.h"
#include "os/os.h"
#include "os/os_process.h"

/*
 * A pool's age is the time, set by the program, for which memory must be free before the pool gives it back. Within
 * this time the pool looks TICKS times for such memory.
 */
enum { TICKS = 4 };

/* Returns true if the pool is pinned, or a walk over its blocks is under way. seq_cst: either this thread sees a new
 * pin and does not purge, or the thread that adds the pin sees `purging`, which this thread has raised, and waits. */
static bool is_held(const struct fixed_pool *pool)
{
    return atomic_load_explicit(&pool->holds, memory_order_seq_cst) != 0;
}

/* How many calls of fixed_purge_block this thread is in. There can be more than one, because a signal handler may
 * interrupt such a call and free a block itself. */
static _Thread_local _Atomic unsigned purges __attribute__((tls_model("initial-exec")));

/* Counts a purge of a single block that begins: in `purges` of this thread, and in `purging` of the pool. */
static void purge_begin(struct fixed_pool *pool)
{
    unsigned before = atomic_load_explicit(&purges, memory_order_relaxed);
    atomic_store_explicit(&purges, before + 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->purging, 1, memory_order_seq_cst);
}

/* Undoes purge_begin, because the purge is over. */
static void purge_end(struct fixed_pool *pool)
{
    unsigned before = atomic_load_explicit(&purges, memory_order_relaxed);
    atomic_fetch_sub_explicit(&pool->purging, 1, memory_order_seq_cst);
    atomic_store_explicit(&purges, before - 1, memory_order_relaxed);
}

bool fixed_is_purging(void)
{
    return atomic_load_explicit(&purges, memory_order_relaxed) > 0;
}

void fixed_await_purges(struct fixed_pool *pool)
{
    enum { NAP = 50000 }; /* nanoseconds */
    uint32_t seen;
    while ((seen = atomic_load_explicit(&pool->purging, memory_order_seq_cst)) > 0) {
        os_wait(&pool->purging, seen, NAP);
    }
}

bool fixed_purge_block(struct fixed_pool *pool, uint32_t number)
{
    /* The first is_held keeps `purging` at 0 while the pool is pinned. A pin could otherwise wait for ever, while other
     * threads free blocks without a pause. */
    if (pool->has_source || pool->stride % os_page_size() != 0 || is_held(pool)) {
        return false;
    }
    purge_begin(pool);
    bool purged = !is_held(pool) && os_discard(fixed_address(pool, number), pool->stride);
    purge_end(pool);
    if (!purged) {
        return false;
    }
    fixed_set_state(pool, number, FIXED_PURGED);
    atomic_fetch_add_explicit(&pool->chunk[fixed_chunk_of(number)].purged, 1, memory_order_relaxed);
    fixed_count(&pool->purges, 1);
    return true;
}

/* A run of neighbouring free blocks that were taken off their chunk's stack: from index `first` up to the one before
 * `end`. */
struct run {
    uint32_t first;
    uint32_t end;
};

/*
 * Purges the whole pages that lie within a run, which is a row of neighbouring free blocks. Marks as FIXED_PURGED the
 * blocks that were purged before and, if the kernel takes the pages, those that lie entirely in these pages. Marks the
 * other blocks of the run as FIXED_FREE. Returns how many blocks had pages before and have none now.
 */
static uint32_t reclaim_run(struct fixed_pool *pool, uint32_t chunk, struct run run)
{
    char *start = fixed_start(pool, chunk);
    size_t page = os_page_size();
    uintptr_t from = ((uintptr_t)start + run.first * pool->stride + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)start + run.end * pool->stride) / page * page;
    bool purged = to > from && os_discard(start + (from - (uintptr_t)start), to - from);
    uint32_t count = 0;
    for (uint32_t index = run.first; index < run.end; index++) {
        uintptr_t block = (uintptr_t)start + index * pool->stride;
        uint32_t number = fixed_number_of(chunk, index);
        bool was_purged = fixed_get_state(pool, number) == FIXED_TAKEN_PURGED;
        bool is_purged = was_purged || (purged && block >= from && block + pool->stride <= to);
        fixed_set_state(pool, number, is_purged ? FIXED_PURGED : FIXED_FREE);
        count += is_purged && !was_purged;
    }
    return count;
}

/*
 * Marks the blocks of a chain as taken, except for the topmost `first_ones` blocks. `top` is one more than the index of
 * the top block, which was pushed last. Returns these topmost blocks as a chain.
 */
static struct fixed_chain reclaim_mark(struct fixed_pool *pool, uint32_t chunk, uint32_t top, uint32_t first_ones)
{
    _Atomic uint16_t *links = fixed_links(pool, chunk);
    struct fixed_chain kept = {.first = top - 1, .count = first_ones};
    for (uint32_t i = 0; top != 0; i++) {
        uint32_t number = fixed_number_of(chunk, top - 1);
        bool purged = fixed_get_state(pool, number) == FIXED_PURGED;
        if (i < first_ones) {
            kept.last = top - 1;
        } else {
            fixed_set_state(pool, number, purged ? FIXED_TAKEN_PURGED : FIXED_TAKEN);
        }
        top = atomic_load_explicit(&links[top - 1], memory_order_relaxed);
    }
    return kept;
}

/* Returns true if the block is marked as taken: fixed_reclaim has removed it from the chunk's stack to purge it. */
static bool reclaim_has(const struct fixed_pool *pool, uint32_t chunk, uint32_t index)
{
    uint8_t state = fixed_get_state(pool, fixed_number_of(chunk, index));
    return state == FIXED_TAKEN || state == FIXED_TAKEN_PURGED;
}

/*
 * Purges the blocks that are marked as taken, and adds them to `chain` in the order of their addresses. Does so for one
 * run (a row of neighbouring blocks) after the other, from the highest address down. Returns how many blocks had pages
 * before and have none now.
 */
static uint32_t reclaim_runs(struct fixed_pool *pool, uint32_t chunk, struct fixed_chain *chain)
{
    uint32_t count = 0;
    uint32_t end = pool->blocks;
    while (end > 0) {
        uint32_t first = end;
        while (first > 0 && reclaim_has(pool, chunk, first - 1)) {
            first--;
            fixed_chain_add(pool, chunk, chain, first);
        }
        if (first < end) {
            count += reclaim_run(pool, chunk, (struct run){first, end});
        }
        end = first > 0 ? first - 1 : 0;
    }
    return count;
}

/*
 * Purges the lowest blocks on the chunk's stack, which were pushed first (`idle` is their number), and puts them back
 * below the other free blocks. Meanwhile no thread can allocate the chunk's free blocks. Returns how many bytes were
 * purged. The caller holds the pool's lock.
 */
static size_t reclaim_pages(struct fixed_pool *pool, uint32_t chunk, uint32_t idle)
{
    uint64_t head = fixed_head(&pool->chunk[chunk]);
    uint32_t free = fixed_head_count(head);
    if (LESSER(idle, free) <= atomic_load_explicit(&pool->chunk[chunk].purged, memory_order_relaxed)) {
        return 0; /* the blocks that were pushed first are already purged */
    }
    uint32_t top = fixed_chunk_take_all(pool, chunk, head);
    if (top == 0) {
        return 0;
    }
    struct fixed_chain purged = {0};
    struct fixed_chain kept = reclaim_mark(pool, chunk, top, EXCESS(free, idle));
    uint32_t count = reclaim_runs(pool, chunk, &purged);
    atomic_fetch_add_explicit(&pool->chunk[chunk].purged, count, memory_order_relaxed);
    fixed_keep(pool, -(int64_t)count);
    fixed_chunk_push(pool, chunk, purged);
    if (kept.count > 0) {
        fixed_chunk_push(pool, chunk, kept);
    }
    fixed_count(&pool->purges, count);
    return count * pool->stride;
}

static size_t reclaim_purge(struct fixed_pool *pool, uint32_t chunk, uint32_t idle)
{
    size_t bytes = 0;
    if (pool->has_source || !lock_take(&pool->lock)) {
        return 0;
    }
    if (!is_held(pool) && fixed_start(pool, chunk) != NULL) {
        bytes = reclaim_pages(pool, chunk, idle);
    }
    lock_release(&pool->lock);
    return bytes;
}

size_t fixed_reclaim(struct fixed_pool *pool, uint32_t chunk, uint32_t idle)
{
    if ((pool->flags & SOCKMALLOC_POOL_KEEP_ADDRESSES) == 0 && idle >= pool->blocks &&
        fixed_chunk_release(pool, chunk)) {
        return pool->chunk_size;
    }
    return reclaim_purge(pool, chunk, idle);
}

size_t fixed_reclaim_all(struct fixed_pool *pool)
{
    size_t bytes = 0;
    uint32_t chunks = atomic_load_explicit(&pool->chunks, memory_order_acquire);
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        bytes += fixed_reclaim(pool, chunk, pool->blocks);
    }
    return bytes;
}

/*
 * Returns how many blocks of the chunk have been free without interruption since this function last inspected the
 * chunk. Returns 0, and does not inspect the chunk, if less time than the pool's age has passed since the last
 * inspection. (The age is the time for which memory must be free before the pool gives it back.) The caller holds the
 * pool's lock.
 */
static uint32_t reclaim_idle(struct fixed_pool *pool, uint32_t number, uint64_t now)
{
    struct fixed_chunk *chunk = &pool->chunk[number];
    if (now - chunk->seen_at < pool->age) {
        return 0;
    }
    chunk->seen_at = now;
    return atomic_exchange_explicit(&chunk->least, fixed_chunk_count(pool, number), memory_order_relaxed);
}

bool fixed_reclaim_old(struct fixed_pool *pool)
{
    uint64_t now = clock_now();
    uint64_t due = atomic_load_explicit(&pool->next_tick, memory_order_relaxed);
    if (now < due || !atomic_compare_exchange_strong_explicit(&pool->next_tick, &due, now + pool->age / TICKS,
                                                              memory_order_relaxed, memory_order_relaxed)) {
        return false;
    }
    uint32_t chunks = atomic_load_explicit(&pool->chunks, memory_order_acquire);
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        if (!lock_take(&pool->lock)) {
            return true;
        }
        uint32_t idle = reclaim_idle(pool, chunk, now);
        lock_release(&pool->lock);
        if (idle > 0) {
            fixed_reclaim(pool, chunk, idle);
        }
    }
    return true;
}
