/* The chunks of a fixed-size pool: the stack of free blocks that each chunk has, and how the pool gets chunks and gives
 * them back. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_chunk.h"

#include <string.h>

#include "base/bounds.h"
#include "base/span.h"
#include "buffers/buffer_memory.h"
#include "os/os.h"

/* The metadata of chunks is cut from slabs, which are mappings of about SLAB_SIZE bytes. The first SLAB_HEAD bytes of a
 * slab hold the address of the slab that was mapped before, and the size of this slab. */
enum { SLAB_SIZE = 256 << 10, SLAB_HEAD = FIXED_COLOUR_STATES };

/* --- the stack of a chunk --- */

/*
 * Lowers `least`, the fewest free blocks that the chunk has had, to `count` if `count` is lower. If two threads lower
 * `least` at the same time, the smaller number may be lost. Then too many blocks count as free for long, and blocks
 * that were used a short time ago are purged.
 */
static void chunk_note_least(struct fixed_chunk *chunk, uint32_t count)
{
    if (count < atomic_load_explicit(&chunk->least, memory_order_relaxed)) {
        atomic_store_explicit(&chunk->least, count, memory_order_relaxed);
    }
}

/* Sets the state of the popped blocks to FIXED_FREE if they were purged. The other popped blocks had pages: subtracts
 * their number from the pool's count of free blocks with pages. */
static void chunk_unpurge(struct fixed_pool *pool, uint32_t chunk, uint32_t count, const uint32_t *numbers)
{
    uint32_t purged = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (fixed_get_state(pool, numbers[i]) == FIXED_PURGED) {
            fixed_set_state(pool, numbers[i], FIXED_FREE);
            purged++;
        }
    }
    if (purged > 0) {
        atomic_fetch_sub_explicit(&pool->chunk[chunk].purged, purged, memory_order_relaxed);
    }
    fixed_keep(pool, -(int64_t)(count - purged));
}

/*
 * Follows `count` links from the top block of `head`, and stores the numbers of the blocks. Returns the link below the
 * last of them. Returns FIXED_NONE if a link leads nowhere, because another thread has popped and pushed blocks
 * meanwhile.
 */
static uint32_t chunk_follow(const struct fixed_pool *pool, uint32_t chunk, uint64_t head, uint32_t count,
                             uint32_t *numbers)
{
    _Atomic uint16_t *links = fixed_links(pool, chunk);
    uint32_t next = fixed_head_top(head);
    for (uint32_t i = 0; i < count; i++) {
        if (next == 0) {
            return FIXED_NONE;
        }
        numbers[i] = fixed_number_of(chunk, next - 1);
        next = atomic_load_explicit(&links[next - 1], memory_order_relaxed);
    }
    return next;
}

uint32_t fixed_chunk_pop(struct fixed_pool *pool, uint32_t chunk, uint32_t wanted, uint32_t *numbers)
{
    _Atomic uint64_t *place = &pool->chunk[chunk].head;
    uint64_t head = atomic_load_explicit(place, memory_order_acquire);
    for (;;) {
        uint32_t count = LESSER(wanted, fixed_head_count(head));
        if (count == 0) {
            return 0;
        }
        uint32_t below = chunk_follow(pool, chunk, head, count, numbers);
        if (below == FIXED_NONE) {
            head = atomic_load_explicit(place, memory_order_acquire);
            continue;
        }
        uint64_t left = (uint64_t)(fixed_head_count(head) - count) << FIXED_COUNT_SHIFT | below;
        uint64_t next = ((head >> FIXED_TAG_SHIFT) + 1) << FIXED_TAG_SHIFT | left;
        /* acquire: from here on this thread sees all that was written before the blocks were pushed: their links and
         * states */
        if (atomic_compare_exchange_weak_explicit(place, &head, next, memory_order_acq_rel, memory_order_acquire)) {
            chunk_note_least(&pool->chunk[chunk], fixed_head_count(next));
            chunk_unpurge(pool, chunk, count, numbers);
            return count;
        }
    }
}

uint32_t fixed_chunk_push(struct fixed_pool *pool, uint32_t chunk, struct fixed_chain chain)
{
    _Atomic uint64_t *place = &pool->chunk[chunk].head;
    _Atomic uint16_t *last = &fixed_links(pool, chunk)[chain.last];
    uint64_t head = atomic_load_explicit(place, memory_order_relaxed);
    uint64_t next;
    do {
        atomic_store_explicit(last, (uint16_t)fixed_head_top(head), memory_order_relaxed);
        next = head >> FIXED_TAG_SHIFT << FIXED_TAG_SHIFT |
               (uint64_t)(fixed_head_count(head) + chain.count) << FIXED_COUNT_SHIFT | (chain.first + 1);
        /*
         * Sequentially consistent, like the exchange of `listed` in fixed_chunk_unlist, because another thread may be
         * removing the chunk from the list `available` at this moment. Either fixed_chunk_list below sees that the
         * chunk was removed, and puts it on the list again; or the other thread sees the blocks that were pushed here,
         * and puts the chunk on the list.
         */
    } while (!atomic_compare_exchange_weak_explicit(place, &head, next, memory_order_seq_cst, memory_order_relaxed));
    fixed_chunk_list(pool, chunk);
    return fixed_head_count(next);
}

void fixed_chain_add(struct fixed_pool *pool, uint32_t chunk, struct fixed_chain *chain, uint32_t index)
{
    if (chain->count == 0) {
        chain->last = index;
    } else {
        atomic_store_explicit(&fixed_links(pool, chunk)[index], (uint16_t)(chain->first + 1), memory_order_relaxed);
    }
    chain->first = index;
    chain->count++;
}

uint32_t fixed_chunk_take_all(struct fixed_pool *pool, uint32_t chunk, uint64_t head)
{
    uint64_t next = ((head >> FIXED_TAG_SHIFT) + 1) << FIXED_TAG_SHIFT;
    uint32_t top = fixed_head_top(head);
    /* acquire: from here on this thread sees the links of the blocks */
    bool taken = atomic_compare_exchange_strong_explicit(&pool->chunk[chunk].head, &head, next, memory_order_acq_rel,
                                                         memory_order_relaxed);
    return taken ? top : 0;
}

/* --- the chunks that have free blocks --- */

void fixed_chunk_list(struct fixed_pool *pool, uint32_t chunk)
{
    _Atomic uint32_t *listed = &pool->chunk[chunk].listed;
    if (atomic_load_explicit(listed, memory_order_seq_cst) == 0 &&
        atomic_exchange_explicit(listed, 1, memory_order_seq_cst) == 0) {
        stack_push(&pool->available, pool->links, 0, chunk);
    }
}

void fixed_chunk_unlist(struct fixed_pool *pool)
{
    uint32_t chunk = stack_pop(&pool->available, pool->links, 0);
    if (chunk == STACK_EMPTY) {
        return;
    }
    atomic_exchange_explicit(&pool->chunk[chunk].listed, 0, memory_order_seq_cst);
    uint64_t head = atomic_load_explicit(&pool->chunk[chunk].head, memory_order_seq_cst);
    if (fixed_head_count(head) > 0) {
        fixed_chunk_list(pool, chunk);
    }
}

uint32_t fixed_chunk_find(const struct fixed_pool *pool)
{
    uint32_t chunks = atomic_load_explicit(&pool->chunks, memory_order_acquire);
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        if (fixed_chunk_count(pool, chunk) > 0) {
            return chunk;
        }
    }
    return FIXED_NONE;
}

/* --- the hash table --- */

uint32_t fixed_chunk_at(const struct fixed_pool *pool, const void *address)
{
    uint32_t at = fixed_hash_of((uintptr_t)address >> pool->hash_shift);
    for (uint32_t looks = 0; looks < FIXED_HASH; looks++) {
        uint32_t entry = atomic_load_explicit(&pool->hash[at], memory_order_relaxed);
        if (entry == 0) {
            return FIXED_NONE;
        }
        if (entry != FIXED_HASH_GONE && fixed_offset(pool, entry - 1, address) < pool->bytes) {
            return entry - 1;
        }
        at = (at + 1) % FIXED_HASH;
    }
    return FIXED_NONE;
}

uint32_t fixed_number_at(const struct fixed_pool *pool, const void *address)
{
    uint32_t chunk = fixed_chunk_at(pool, address);
    if (chunk == FIXED_NONE) {
        return FIXED_NONE;
    }
    size_t index;
    bool whole = fixed_divide(pool, fixed_offset(pool, chunk, address), &index);
    return whole ? fixed_number_of(chunk, (uint32_t)index) : FIXED_NONE;
}

/* Enters the chunk in the hash table under one granule (2^hash_shift bytes of addresses). The search for a free place
 * ends, because at least half of the table is always free. The caller holds the pool's lock. */
static void hash_add_granule(struct fixed_pool *pool, uint32_t chunk, uintptr_t granule)
{
    uint32_t at = fixed_hash_of(granule);
    for (;;) {
        uint32_t entry = atomic_load_explicit(&pool->hash[at], memory_order_relaxed);
        if (entry == 0 || entry == FIXED_HASH_GONE) {
            atomic_store_explicit(&pool->hash[at], (uint16_t)(chunk + 1), memory_order_relaxed);
            return;
        }
        at = (at + 1) % FIXED_HASH;
    }
}

/*
 * Marks the chunk's entry under one granule (2^hash_shift bytes of addresses) as gone. If the entry is the last of a
 * chain (a row of entries up to an empty one), empties it and the gone entries before it, so that chains do not grow
 * over time.
 */
static void hash_remove_granule(struct fixed_pool *pool, uint32_t chunk, uintptr_t granule)
{
    uint32_t at = fixed_hash_of(granule);
    while (atomic_load_explicit(&pool->hash[at], memory_order_relaxed) != chunk + 1) {
        at = (at + 1) % FIXED_HASH;
    }
    atomic_store_explicit(&pool->hash[at], FIXED_HASH_GONE, memory_order_relaxed);
    uint32_t next = atomic_load_explicit(&pool->hash[(at + 1) % FIXED_HASH], memory_order_relaxed);
    while (next == 0 && atomic_load_explicit(&pool->hash[at], memory_order_relaxed) == FIXED_HASH_GONE) {
        atomic_store_explicit(&pool->hash[at], 0, memory_order_relaxed);
        at = (at + FIXED_HASH - 1) % FIXED_HASH;
    }
}

/* Calls `change` for the granules (2^hash_shift bytes of addresses) in which the chunk begins and ends: only once if
 * both are the same granule. */
static void hash_change(struct fixed_pool *pool, uint32_t chunk, const char *start,
                        void (*change)(struct fixed_pool *, uint32_t, uintptr_t))
{
    uintptr_t first = (uintptr_t)start >> pool->hash_shift;
    uintptr_t last = ((uintptr_t)start + pool->bytes - 1) >> pool->hash_shift;
    change(pool, chunk, first);
    if (last != first) {
        change(pool, chunk, last);
    }
}

/* --- new chunks --- */

/* Maps one more slab, from which the metadata of the next chunks is cut. Returns false if the kernel refuses. The
 * caller holds the pool's lock. */
static bool chunk_map_slab(struct fixed_pool *pool)
{
    size_t each = GREATER(SLAB_SIZE / pool->meta_size, 1);
    size_t size = os_round_to_pages(SLAB_HEAD + each * pool->meta_size);
    char *slab = os_map(size);
    if (slab == NULL) {
        return false;
    }
    memcpy(slab, &(struct span){pool->slabs, size}, sizeof(struct span));
    pool->slabs = slab;
    pool->slab = slab + SLAB_HEAD;
    pool->slab_left = size - SLAB_HEAD;
    return true;
}

/* Cuts metadata for the chunk with this number from a slab, unless an earlier chunk with this number has left its
 * metadata. Returns false if there is no memory. The caller holds the pool's lock. */
static bool chunk_give_meta(struct fixed_pool *pool, uint32_t chunk)
{
    if (atomic_load_explicit(&fixed_place(pool, chunk)->meta, memory_order_relaxed) != NULL) {
        return true;
    }
    if (pool->slab_left < pool->meta_size && !chunk_map_slab(pool)) {
        return false;
    }
    char *meta = pool->slab;
    pool->slab += pool->meta_size;
    pool->slab_left -= pool->meta_size;
    atomic_store_explicit(&fixed_place(pool, chunk)->meta, meta, memory_order_relaxed);
    fixed_count(&pool->meta_bytes, pool->meta_size);
    return true;
}

/* Returns a number that no chunk has, and reserves the number for the caller. Returns FIXED_NONE if chunks have all
 * numbers, or if there is no memory for metadata. The caller holds the pool's lock. */
static uint32_t chunk_reserve_number(struct fixed_pool *pool)
{
    if (pool->spare != 0) {
        uint32_t chunk = pool->spare - 1;
        pool->spare = pool->chunk[chunk].next_spare;
        return chunk;
    }
    uint32_t chunk = atomic_load_explicit(&pool->chunks, memory_order_relaxed);
    if (chunk == FIXED_CHUNKS || !chunk_give_meta(pool, chunk)) {
        return FIXED_NONE;
    }
    /* release: a thread that reads the new count sees the metadata's address */
    atomic_store_explicit(&pool->chunks, chunk + 1, memory_order_release);
    return chunk;
}

/* Puts a number that no chunk has into the list of free chunk numbers. */
static void chunk_spare_number(struct fixed_pool *pool, uint32_t chunk)
{
    pool->chunk[chunk].next_spare = pool->spare;
    pool->spare = chunk + 1;
}

void fixed_chunk_index_again(struct fixed_pool *pool)
{
    memset((void *)pool->hash, 0, FIXED_HASH * sizeof pool->hash[0]);
    pool->spare = 0;
    for (uint32_t chunk = atomic_load_explicit(&pool->chunks, memory_order_relaxed); chunk-- > 0;) {
        char *start = fixed_start(pool, chunk);
        if (start != NULL) {
            hash_change(pool, chunk, start, hash_add_granule);
        } else {
            atomic_store_explicit(&pool->chunk[chunk].head, 0, memory_order_relaxed);
            atomic_store_explicit(&pool->chunk[chunk].listed, 0, memory_order_relaxed);
            chunk_spare_number(pool, chunk);
        }
    }
}

static size_t chunk_alignment(const struct fixed_pool *pool)
{
    return pool->stride % os_page_size() == 0 ? os_page_size() : CACHE_LINE;
}

static void chunk_unmap(const struct fixed_pool *pool, char *start)
{
    if (pool->has_source) {
        pool->source.release(pool->source.context, start, pool->chunk_size);
    } else {
        buffer_unmap(start, pool->chunk_size);
    }
}

/*
 * Maps a chunk so that it lies in one granule of the hash table (2^hash_shift bytes of addresses). Every free then
 * finds the chunk by the first entry that it reads. A chunk in two granules would share one of the granules with a
 * neighbouring chunk. If the kernel has no free addresses of that alignment, maps the chunk anywhere.
 */
static char *chunk_map_own(const struct fixed_pool *pool)
{
    char *start = buffer_map(pool->chunk_size, (size_t)1 << pool->hash_shift);
    return start != NULL ? start : buffer_map(pool->chunk_size, os_page_size());
}

/* Gets the memory of a new chunk from the kernel or from the program's own allocator. Returns NULL if there is none.
 * Also returns NULL if the program's allocator has not aligned the memory, which is then given back to it. */
static char *chunk_map(const struct fixed_pool *pool)
{
    if (!pool->has_source) {
        return chunk_map_own(pool);
    }
    char *start = pool->source.allocate(pool->source.context, pool->chunk_size, chunk_alignment(pool));
    if (start != NULL && (uintptr_t)start % chunk_alignment(pool) != 0) {
        chunk_unmap(pool, start);
        return NULL;
    }
    return start;
}

/* Marks all blocks of the new chunk as free and pushes them, so that the one with the lowest address will be allocated
 * first. */
static void chunk_fill(struct fixed_pool *pool, uint32_t chunk)
{
    struct fixed_chain chain = {0};
    enum fixed_state state = pool->has_source ? FIXED_FREE : FIXED_PURGED;
    for (uint32_t index = pool->blocks; index-- > 0;) {
        fixed_set_state(pool, fixed_number_of(chunk, index), state);
        fixed_chain_add(pool, chunk, &chain, index);
    }
    uint32_t purged = state == FIXED_PURGED ? pool->blocks : 0;
    atomic_store_explicit(&pool->chunk[chunk].purged, purged, memory_order_relaxed);
    fixed_keep(pool, pool->blocks - purged);
    fixed_chunk_push(pool, chunk, chain);
}

/* Makes `start` the memory of the chunk whose number the caller has reserved, or makes the number free again if `start`
 * is NULL. Returns true if the chunk now exists. Returns false, and changes nothing, if a signal handler cannot get the
 * lock. */
static bool chunk_install(struct fixed_pool *pool, uint32_t chunk, char *start)
{
    if (!lock_take(&pool->lock)) {
        return false;
    }
    if (start == NULL) {
        chunk_spare_number(pool, chunk);
    } else {
        atomic_store_explicit(&fixed_place(pool, chunk)->start, start, memory_order_release);
        hash_change(pool, chunk, start, hash_add_granule);
    }
    lock_release(&pool->lock);
    return start != NULL;
}

bool fixed_chunk_grow(struct fixed_pool *pool)
{
    if (!lock_take(&pool->lock)) {
        return false;
    }
    bool found = fixed_chunk_find(pool) != FIXED_NONE; /* true if another thread has got a chunk meanwhile */
    uint32_t chunk = found ? FIXED_NONE : chunk_reserve_number(pool);
    lock_release(&pool->lock);
    if (found || chunk == FIXED_NONE) {
        return found;
    }
    char *start = chunk_map(pool);
    if (!chunk_install(pool, chunk, start)) {
        if (start != NULL) {
            /* the caller is a signal handler that could not get the lock: the chunk's number stays reserved until the
             * process forks or the pool is destroyed */
            chunk_unmap(pool, start);
        }
        return false;
    }
    chunk_fill(pool, chunk);
    fixed_count(&pool->obtained, 1);
    return true;
}

/* --- chunks that go --- */

/* Removes the chunk from the hash table, and makes its number free for another chunk. Returns the chunk's memory. The
 * caller has taken all blocks off the chunk's stack, and holds the pool's lock. */
static char *chunk_remove(struct fixed_pool *pool, uint32_t chunk)
{
    char *start = fixed_start(pool, chunk);
    uint32_t purged = atomic_exchange_explicit(&pool->chunk[chunk].purged, 0, memory_order_relaxed);
    hash_change(pool, chunk, start, hash_remove_granule);
    atomic_store_explicit(&fixed_place(pool, chunk)->start, NULL, memory_order_release);
    chunk_spare_number(pool, chunk);
    fixed_keep(pool, -(int64_t)(pool->blocks - purged));
    return start;
}

bool fixed_chunk_release(struct fixed_pool *pool, uint32_t chunk)
{
    char *start = NULL;
    if (!lock_take(&pool->lock)) {
        return false;
    }
    uint64_t head = fixed_head(&pool->chunk[chunk]);
    bool idle = fixed_head_count(head) == pool->blocks && atomic_load_explicit(&pool->holds, memory_order_relaxed) == 0;
    if (idle && fixed_start(pool, chunk) != NULL && fixed_chunk_take_all(pool, chunk, head) != 0) {
        start = chunk_remove(pool, chunk);
    }
    lock_release(&pool->lock);
    if (start == NULL) {
        return false;
    }
    chunk_unmap(pool, start);
    fixed_count(&pool->released, 1);
    return true;
}

void fixed_chunk_close(struct fixed_pool *pool)
{
    uint32_t chunks = atomic_load_explicit(&pool->chunks, memory_order_relaxed);
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        char *start = fixed_start(pool, chunk);
        if (start != NULL) {
            chunk_unmap(pool, start);
        }
    }
    while (pool->slabs != NULL) {
        struct span slab;
        memcpy(&slab, pool->slabs, sizeof slab);
        os_release(pool->slabs, slab.size);
        pool->slabs = slab.start;
    }
}
