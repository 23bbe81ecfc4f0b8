/* Makes fixed-size pools (sockmalloc_pool_*) for tests, and reads their figures. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_FIXED_POOLS_H
#define SOCKMALLOC_TEST_FIXED_POOLS_H

#include <criterion/criterion.h>

#include "sockmalloc.h"

/* how many kinds of fixed-size pools there are; the kinds are numbered from 0 */
enum { FIXED_KINDS = SOCKMALLOC_POOL_CPU + 1 };

/* Returns the options of a pool with blocks of `block` bytes. The blocks are aligned to a page if `block` is a
 * multiple of a page, and to a cache line otherwise. */
static inline struct sockmalloc_pool_options fixed_options(int kind, size_t block)
{
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    options.kind = kind;
    options.block = block;
    options.name = "test";
    options.alignment = block % 4096 == 0 ? SOCKMALLOC_POOL_BY_PAGE : SOCKMALLOC_POOL_BY_LINE;
    return options;
}

static inline struct sockmalloc_pool *fixed_make(const struct sockmalloc_pool_options *options)
{
    struct sockmalloc_pool *pool = sockmalloc_pool_create(options);
    cr_assert_not_null(pool);
    return pool;
}

/* Returns the figure `name` of the pool's statistics, or UINT64_MAX if there is no such figure. */
static inline uint64_t fixed_figure(struct sockmalloc_pool *pool, const char *name)
{
    uint64_t value = UINT64_MAX;
    sockmalloc_pool_statistic(pool, name, &value);
    return value;
}

/* Fails the test if the figure `name` of the pool is not `value`. */
static inline void fixed_expect(struct sockmalloc_pool *pool, const char *name, uint64_t value)
{
    uint64_t found = fixed_figure(pool, name);
    cr_assert_eq(found, value, "%s is %lu and not %lu", name, (unsigned long)found, (unsigned long)value);
}

/* Allocates `count` blocks and stores them in `blocks`. */
static inline void fixed_take(struct sockmalloc_pool *pool, void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = sockmalloc_pool_alloc(pool);
        cr_assert_not_null(blocks[i]);
    }
}

static inline void fixed_give(struct sockmalloc_pool *pool, void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sockmalloc_pool_free(pool, blocks[i]);
    }
}

#endif
