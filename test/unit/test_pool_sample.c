/* The sample of requests: all frees stand in it, and each size by its share. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "clock_still.h"
#include "histogram.h"
#include "house.h"
#include "pool.h"

enum { MANY = 1 << 17 };

TestSuite(pool_sample, .timeout = 60);

static struct histogram_figures figures;

static void use(size_t request, unsigned bucket)
{
    house_give(house_take(bucket, request, NULL));
}

static uint64_t count_of(size_t request)
{
    return figures.count[histogram_step(request)];
}

static uint64_t count_all(void)
{
    uint64_t all = 0;
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        all += figures.count[step];
    }
    return all;
}

/* By turns, as a loop of a program would: the sample must not keep step with it. */
Test(pool_sample, two_sizes_by_turns_have_half_each)
{
    house_lay_default();
    for (unsigned i = 0; i < MANY; i++) {
        use(16390, B16K);
        use(18000, B16K);
    }
    histogram_read(&figures);
    cr_assert_leq(2 * MANY - count_all(), 1021, "no free is missing but those since the last tick");
    cr_assert_gt(count_of(16390), MANY / 4);
    cr_assert_gt(count_of(18000), MANY / 4);
}

/* A bucket that is used once in a thousand times never comes to a tick of its own. */
Test(pool_sample, rare_buckets_are_seen_where_the_clock_goes_on)
{
    house_lay_default();
    for (unsigned i = 0; i < MANY; i++) {
        use(16390, B16K);
        if (i % 1000 == 0) {
            use(5000, B4K);
            use(262177, B256K);
            clock_still_advance(1);
        }
    }
    histogram_read(&figures);
    cr_assert_geq(count_of(5000), MANY / 1000 * 9 / 10);
    cr_assert_leq(count_of(5000), MANY / 1000 + 1);
    cr_assert_geq(count_of(262177), MANY / 1000 * 9 / 10);
    cr_assert_leq(count_of(262177), MANY / 1000 + 1);
}

Test(pool_sample, what_falls_through_is_there)
{
    house_lay_default();
    pool_count_fall_through(B16K, 17000);
    histogram_read(&figures);
    cr_assert_eq(count_of(17000), 1);
    cr_assert_eq(figures.sum, 17000);
}
