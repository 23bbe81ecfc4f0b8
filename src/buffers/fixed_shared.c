/*
 * The free list that all threads share in a fixed-size pool. It consists of the stacks of free blocks that the chunks
 * have. A pool may limit how many blocks in this list keep their pages. When the limit is reached, the pool purges
 * blocks or gives chunks back.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_shared.h"

#include "base/bounds.h"
#include "buffers/fixed_chunk.h"
#include "buffers/fixed_reclaim.h"

uint32_t fixed_shared_take_free(struct fixed_pool *pool, uint32_t wanted, uint32_t *numbers)
{
    for (;;) {
        uint32_t chunk = stack_peek(&pool->available);
        if (chunk == STACK_EMPTY) {
            break;
        }
        uint32_t count = fixed_chunk_pop(pool, chunk, wanted, numbers);
        if (count > 0) {
            return count;
        }
        fixed_chunk_unlist(pool);
    }
    uint32_t unlisted = fixed_chunk_find(pool);
    return unlisted == FIXED_NONE ? 0 : fixed_chunk_pop(pool, unlisted, wanted, numbers);
}

uint32_t fixed_shared_take(struct fixed_pool *pool, uint32_t wanted, uint32_t *numbers)
{
    for (;;) {
        uint32_t count = fixed_shared_take_free(pool, wanted, numbers);
        if (count > 0 || !fixed_chunk_grow(pool)) {
            return count;
        }
    }
}

static bool is_over_limit(const struct fixed_pool *pool)
{
    int64_t kept = atomic_load_explicit(&pool->kept, memory_order_relaxed);
    return pool->limit != UINT64_MAX && (uint64_t)GREATER(kept, 0) >= pool->limit;
}

/*
 * Called for a free block that is about to be pushed. A pool may limit how many free blocks outside magazines keep
 * their pages. Below this limit, counts the block as one that keeps its pages. At the limit, purges the block, or
 * counts it too if it cannot be purged. Returns true if the limit was reached.
 */
static bool limit_block(struct fixed_pool *pool, uint32_t number)
{
    bool over = is_over_limit(pool);
    if (!over || !fixed_purge_block(pool, number)) {
        fixed_keep(pool, 1);
    }
    return over;
}

/* Pushes all blocks. Neighbours in the array that belong to one chunk are pushed together, by one compare-and-swap. */
void fixed_shared_put(struct fixed_pool *pool, const uint32_t *numbers, uint32_t count)
{
    struct fixed_chain chain = {0};
    bool over = false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t chunk = fixed_chunk_of(numbers[i]);
        over = limit_block(pool, numbers[i]) || over;
        fixed_chain_add(pool, chunk, &chain, fixed_index_of(numbers[i]));
        if (i + 1 == count || fixed_chunk_of(numbers[i + 1]) != chunk) {
            if (fixed_chunk_push(pool, chunk, chain) == pool->blocks && over) {
                fixed_reclaim(pool, chunk, pool->blocks);
            }
            chain = (struct fixed_chain){0};
            over = false;
        }
    }
}

void *fixed_shared_take_one(struct fixed_pool *pool)
{
    uint32_t number;
    if (fixed_shared_take(pool, 1, &number) == 0) {
        return NULL;
    }
    fixed_set_state(pool, number, FIXED_LIVE);
    return fixed_address(pool, number);
}

void fixed_shared_put_one(struct fixed_pool *pool, void *block)
{
    uint32_t number = fixed_number_at(pool, block);
    fixed_shared_put(pool, &number, 1);
}

uint32_t fixed_shared_fill(struct fixed_pool *pool, struct fixed_magazine *magazine, uint32_t wanted)
{
    uint32_t numbers[FIXED_MAGAZINE];
    uint32_t count = fixed_shared_take(pool, wanted, numbers);
    for (uint32_t i = 0; i < count; i++) {
        magazine->item[i] = (struct fixed_item){fixed_address(pool, numbers[i]), fixed_state(pool, numbers[i])};
    }
    atomic_store_explicit(&magazine->count, count, memory_order_relaxed);
    return count;
}

void fixed_shared_flush(struct fixed_pool *pool, struct fixed_magazine *magazine)
{
    uint32_t numbers[FIXED_MAGAZINE];
    uint32_t count = atomic_load_explicit(&magazine->count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = fixed_number_at(pool, magazine->item[i].block);
    }
    atomic_store_explicit(&magazine->count, 0, memory_order_relaxed);
    fixed_shared_put(pool, numbers, count);
}
