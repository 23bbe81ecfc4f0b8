/* The pool room's ticks: how many frees lie between two looks at the clock. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "support/clock_still.h"
#include "support/house.h"

/* At most so many, and where a bucket's frees are slow, or magazines came to the depot. */
enum { RARE = 1021, SLOW = 61, HASTE = 16 };

TestSuite(pool_ticks, .timeout = 60);

static void use(unsigned bucket)
{
    house_give(house_take(bucket, house_plan.capacity[bucket], NULL));
}

/* The first free of all is a tick, and the next one, too. */
static void lay(void)
{
    house_lay_default();
    use(B4K);
}

/* Frees up to the next tick, after which the counter is set back: the truth stays what it is. */
static unsigned frees_to_tick(unsigned bucket)
{
    const struct counter *armed = &cache_mine->tally[bucket].armed;
    uint64_t before = counter_read(armed);
    unsigned frees = 0;
    while (counter_read(armed) == before) {
        uint64_t returned = cache_returned(cache_mine, bucket);
        use(bucket);
        cr_assert_eq(cache_returned(cache_mine, bucket), returned + 1);
        cr_assert_leq(++frees, (unsigned)RARE);
    }
    return frees;
}

Test(pool_ticks, become_rare_while_the_clock_stands_still)
{
    lay();
    for (unsigned wanted = 1; wanted <= RARE; wanted *= 2) {
        cr_assert_eq(frees_to_tick(B4K), wanted);
    }
    cr_assert_eq(frees_to_tick(B4K), RARE, "so rare and no rarer");
}

Test(pool_ticks, come_more_often_when_it_has_gone_on)
{
    lay();
    while (frees_to_tick(B4K) < RARE) {
    }
    for (unsigned wanted = RARE; wanted > 0; wanted /= 2) {
        clock_still_advance(1);
        cr_assert_eq(frees_to_tick(B4K), wanted);
    }
    clock_still_advance(1);
    cr_assert_eq(frees_to_tick(B4K), 1, "with each free where one takes that long");
}

/* One bucket's tick sets all of them back. */
Test(pool_ticks, come_for_all_buckets_when_it_has_gone_on)
{
    lay();
    use(B8K);
    while (frees_to_tick(B4K) < RARE) {
    }
    clock_still_advance(1);
    frees_to_tick(B4K);
    cr_assert_eq(frees_to_tick(B8K), 1, "its frees are in no sample yet: the next one is drawn");
    cr_assert_eq(frees_to_tick(B8K), RARE / 2);
}

/* Where each free goes to the stack it has time for a look. */
Test(pool_ticks, come_sooner_where_frees_are_slow)
{
    lay();
    while (frees_to_tick(B4K) < RARE) {
    }
    frees_to_tick(B1M);
    while (frees_to_tick(B1M) < SLOW) {
    }
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(frees_to_tick(B1M), SLOW);
    }
}

/* What comes together in the stack should not lie there unseen either; but that all buckets are set
 * back is for once, until the clock goes on. */
Test(pool_ticks, come_sooner_after_frees_to_the_stack)
{
    lay();
    while (frees_to_tick(B4K) < RARE) {
    }
    for (unsigned i = 0; i < 2; i++) {
        frees_to_tick(B1M); /* where the clock went on, it is the sample's */
        frees_to_tick(B1M);
        cr_assert_leq(frees_to_tick(B4K), (unsigned)HASTE);
        while (frees_to_tick(B4K) < RARE) {
        }
        frees_to_tick(B1M);
        cr_assert_gt(frees_to_tick(B4K), (unsigned)SLOW, "not again");
        clock_still_advance(1);
        while (frees_to_tick(B4K) < RARE) {
        }
    }
}

/* A thread that had much to do and now has little would need an hour to find out by halves. */
Test(pool_ticks, come_at_the_pace_of_the_frees)
{
    enum { PACE = 8, LONG = 100 }; /* milliseconds */
    lay();
    while (frees_to_tick(B4K) < RARE) {
    }
    clock_still_advance(LONG);
    cr_assert_eq(frees_to_tick(B4K), RARE);
    cr_assert_eq(frees_to_tick(B4K), RARE * PACE / LONG);
    clock_still_advance(LONG * LONG);
    frees_to_tick(B4K);
    clock_still_advance(1);
    cr_assert_eq(frees_to_tick(B4K), 1);
}

/* Magazines that come to the depot should not lie there for a thousand frees unseen. */
Test(pool_ticks, come_sooner_after_a_deposit)
{
    static void *taken[4 * MAGAZINE_SLOTS];
    lay();
    while (frees_to_tick(B4K) < RARE) {
    }
    for (unsigned i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        taken[i] = house_take(B16K, 16384, NULL);
    }
    unsigned given = 0;
    while (counter_read(&cache_mine->tally[B16K].deposited) == 0) {
        house_give(taken[given++]);
    }
    cr_assert_leq(frees_to_tick(B4K), (unsigned)HASTE);
}
