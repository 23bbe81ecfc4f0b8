/* Tests of buffers/fixed_chunk.c: a chunk is the memory of several blocks. Its free blocks form a stack, whose head
 * is one word. A tag in the head grows with each removal, so that a thread notices a head that has changed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_chunk.h"
#include "support/fixed_pools.h"

enum { COUNT = 100 };

static struct fixed_pool *make(void)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, 64);
    options.chunk = 64 * COUNT;
    struct sockmalloc_pool *pool = fixed_make(&options);
    sockmalloc_pool_free(pool, sockmalloc_pool_alloc(pool));
    return fixed_pool_of(pool);
}

Test(fixed_chunk, every_removal_advances_the_tag)
{
    struct fixed_pool *pool = make();
    uint32_t numbers[COUNT];
    uint64_t tag = fixed_head(&pool->chunk[0]) >> FIXED_TAG_SHIFT;
    cr_assert_eq(fixed_chunk_pop(pool, 0, 7, numbers), 7);
    cr_assert_eq(fixed_head(&pool->chunk[0]) >> FIXED_TAG_SHIFT, tag + 1);
    cr_assert_neq(fixed_chunk_take_all(pool, 0, fixed_head(&pool->chunk[0])), 0);
    cr_assert_eq(fixed_head(&pool->chunk[0]), (tag + 2) << FIXED_TAG_SHIFT);
    cr_assert_eq(fixed_chunk_pop(pool, 0, 1, numbers), 0);
}

Test(fixed_chunk, chain_comes_back_in_its_order)
{
    struct fixed_pool *pool = make();
    uint32_t numbers[COUNT];
    uint32_t again[COUNT];
    struct fixed_chain chain = {0};
    cr_assert_eq(fixed_chunk_pop(pool, 0, COUNT + 1, numbers), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        cr_assert_eq(fixed_index_of(numbers[i]), i, "the lowest block is the first one");
        fixed_chain_add(pool, 0, &chain, i);
    }
    cr_assert_eq(fixed_chunk_push(pool, 0, chain), COUNT);
    cr_assert_eq(fixed_chunk_pop(pool, 0, 60, again), 60);
    cr_assert_eq(fixed_chunk_pop(pool, 0, 60, again + 60), COUNT - 60);
    for (uint32_t i = 0; i < COUNT; i++) {
        cr_assert_eq(again[i], numbers[COUNT - 1 - i]);
    }
}

Test(fixed_chunk, head_that_has_changed_is_not_taken)
{
    struct fixed_pool *pool = make();
    uint32_t number;
    uint64_t head = fixed_head(&pool->chunk[0]);
    cr_assert_eq(fixed_chunk_pop(pool, 0, 1, &number), 1);
    struct fixed_chain chain = {0};
    fixed_chain_add(pool, 0, &chain, fixed_index_of(number));
    fixed_chunk_push(pool, 0, chain);
    cr_assert_eq(fixed_chunk_take_all(pool, 0, head), 0, "the stack has the same blocks, but another tag");
}

/* The pool releases a chunk (the memory of several blocks) and makes a new one, again and again, at many addresses. The
 * hash table must hold no entry of a released chunk, because its chains would otherwise grow without end. */
Test(fixed_chunk, hash_table_does_not_fill_with_chunks_that_are_gone)
{
    struct fixed_pool *pool = make();
    for (unsigned round = 0; round < 100; round++) {
        cr_assert(fixed_chunk_release(pool, 0));
        for (uint32_t at = 0; at < FIXED_HASH; at++) {
            cr_assert_eq(pool->hash[at], 0);
        }
        cr_assert(fixed_chunk_grow(pool));
    }
}

/*
 * A free finds the chunk (the memory of several blocks) of a block in a hash table, whose keys are granules of
 * 2^hash_shift bytes of addresses. If two chunks lay in one granule, the search could meet the wrong chunk first, and
 * free would be slow.
 */
Test(fixed_chunk, every_chunk_has_a_granule_to_itself)
{
    static const size_t sizes[] = {64, 4096, 5000, 65536, 5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, sizes[i]);
        struct fixed_pool *pool = fixed_pool_of(fixed_make(&options));
        size_t granule = (size_t)1 << pool->hash_shift;
        for (uint32_t chunk = 0; chunk < 5; chunk++) {
            cr_assert(fixed_chunk_grow(pool));
            cr_assert_eq((uintptr_t)fixed_start(pool, chunk) % granule, 0, "%zu bytes", sizes[i]);
            uint32_t numbers[FIXED_BLOCKS];
            fixed_chunk_pop(pool, chunk, FIXED_BLOCKS, numbers);
        }
    }
}
