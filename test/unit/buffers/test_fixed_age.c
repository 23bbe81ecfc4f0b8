/* Tests of fixed-size pools that give free memory back when it is old enough, with a clock that the test moves. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "buffers/fixed_pool.h"
#include "support/clock_still.h"
#include "support/fixed_pools.h"

enum { AGE = 1000, PAGE = 4096, COUNT = 200 };

static void *blocks[COUNT];

/* Allocates and frees one block so many times that the pool reads the clock (a tick). */
static void tick(struct sockmalloc_pool *pool)
{
    for (unsigned i = 0; i < FIXED_TICK_FREES; i++) {
        sockmalloc_pool_free(pool, sockmalloc_pool_alloc(pool));
    }
}

Test(fixed_age, memory_goes_back_when_it_is_old)
{
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct sockmalloc_pool_options options = fixed_options(kind, PAGE);
        options.returned = SOCKMALLOC_POOL_BY_AGE;
        options.age_ms = AGE;
        options.chunk = 16 * PAGE;
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, COUNT);
        memset(blocks[0], 'x', 1);
        tick(pool);
        uint64_t chunks = fixed_figure(pool, "chunks");
        fixed_give(pool, blocks, COUNT);
        tick(pool);
        clock_still_advance(AGE / 2);
        tick(pool);
        cr_assert_eq(fixed_figure(pool, "chunks"), chunks, "kind %d: nothing is old yet", kind);
        for (unsigned step = 0; step < 8; step++) {
            clock_still_advance(AGE / 2);
            tick(pool);
        }
        cr_assert_lt(fixed_figure(pool, "chunks"), chunks / 2, "kind %d", kind);
        fixed_expect(pool, "live", 0);
        sockmalloc_pool_destroy(pool, 0);
    }
}

/* A chunk is the memory of many blocks. Even if some blocks of a chunk are in use, those pages of the chunk on which no
 * block is in use are purged. */
Test(fixed_age, free_blocks_of_a_used_chunk_are_purged)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, PAGE);
    options.returned = SOCKMALLOC_POOL_BY_AGE;
    options.age_ms = AGE;
    options.chunk = 100 * PAGE;
    struct sockmalloc_pool *pool = fixed_make(&options);
    fixed_take(pool, blocks, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        *(char *)blocks[i] = 'x';
    }
    fixed_give(pool, blocks + 100, 50);
    for (unsigned step = 0; step < 4; step++) {
        tick(pool);
        clock_still_advance(AGE);
    }
    cr_assert_eq(*(char *)blocks[99], 'x');
    cr_assert_eq(*(char *)blocks[150], 'x');
    cr_assert_geq(fixed_figure(pool, "purged") + fixed_figure(pool, "purges"), 40);
    fixed_expect(pool, "chunks", 2);
}
