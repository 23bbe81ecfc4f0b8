/* Tests of a cache that has no free slots yet: it carves several new slots of the range at once. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/cache.h"
#include "memory/region.h"
#include "support/house.h"

enum { SMALL_SHIFT = 20 };

static struct cache *mine;

static void lay(void)
{
    house_lay_default();
    mine = cache_reach();
    cr_assert_neq(mine, &cache_shared);
}

static struct cache_bin *bin(unsigned bucket)
{
    return &mine->bin[bucket];
}

/* A bin without a magazine looks empty to malloc and full to free, so that both take the slow path. */
Test(cache_carve, thread_without_a_cache_reads_as_empty_and_full)
{
    int slot;
    house_lay_default();
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        cr_assert_null(cache_pop(&cache_mine->bin[bucket]));
        cr_assert_not(cache_push(&cache_mine->bin[bucket], &slot));
        cr_assert_null(cache_pop(&cache_shared.bin[bucket]));
        cr_assert_not(cache_push(&cache_shared.bin[bucket], &slot));
    }
    cr_assert_eq(cache_count(), 1, "cache_pop and cache_push open no cache");
}

Test(cache_carve, new_cache_reads_as_empty_and_full)
{
    int slot;
    lay();
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        cr_assert_null(cache_pop(bin(bucket)));
        cr_assert_not(cache_push(bin(bucket), &slot));
        cr_assert_eq(cache_held(mine, bucket), 0);
    }
}

Test(cache_carve, refill_finds_nothing_at_first)
{
    lay();
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        cr_assert_null(cache_refill(mine, bucket));
        cr_assert_eq(region_carved(bucket), 0, "a refill does not carve");
    }
}

/* A cache carves 16 slots at once, so that two threads rarely write to the same cache line of metadata. The cache
 * allocates the 16 slots one by one, in rising order of their addresses. */
Test(cache_carve, carved_run_is_used_in_rising_order)
{
    enum { RUN = 16 };
    lay();
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        for (uint32_t number = 0; number < 2 * RUN; number++) {
            cr_assert_eq(cache_carve(mine, bucket), house_slot(bucket, number));
            cr_assert_eq(region_carved(bucket), (number / RUN + 1) * RUN);
            cr_assert_eq(cache_fresh(mine, bucket), RUN - 1 - number % RUN);
            cr_assert_eq(cache_held(mine, bucket), 0, "the rest of a run is in no magazine");
        }
    }
}

/* Only three slots are left in the range. The cache allocates these three, and then no more. */
Test(cache_carve, carve_returns_the_rest_of_the_range)
{
    void *slots[1];
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    mine = cache_reach();
    uint32_t limit = house_limit(B16K, SMALL_SHIFT);
    for (uint32_t left = limit; left > 3; left--) {
        cr_assert_eq(region_carve(B16K, 1, slots), 1);
    }
    for (uint32_t number = limit - 3; number < limit; number++) {
        void *slot = cache_pop(bin(B16K));
        cr_assert_eq(slot != NULL ? slot : cache_carve(mine, B16K), house_slot(B16K, number));
    }
    cr_assert_null(cache_carve(mine, B16K));
    cr_assert_null(cache_carve(mine, B16K), "a second call fails as well");
    cr_assert_eq(cache_held(mine, B16K), 0);
}
