/* Tests of ticks, the frees that read the clock: how many frees lie between two ticks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "support/clock_still.h"
#include "support/house.h"

/* A tick is a free that reads the clock. These are the largest numbers of frees from one tick to the next: RARE in
 * general, SLOW in a bucket whose frees take the slow path, and HASTE after slots have gone to the depot or to the
 * stack of free slots. */
enum { RARE = 1021, SLOW = 61, HASTE = 16 };

TestSuite(pool_ticks, .timeout = 60);

static void use(unsigned bucket)
{
    house_give(house_take(bucket, house_plan.capacity[bucket], NULL));
}

/* Sets up the pools and frees once. This first free is a tick, that is, it reads the clock, and the next free will be
 * a tick too. */
static void lay(void)
{
    house_lay_default();
    use(B4K);
}

/* Frees slots of the bucket until a free was a tick, that is, read the clock. Returns how many frees that took. Checks
 * after each free that the library has counted it. */
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
    cr_assert_eq(frees_to_tick(B4K), RARE, "RARE is the largest number of frees between two ticks");
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
    cr_assert_eq(frees_to_tick(B4K), 1, "if the clock advances between all frees, each free is a tick");
}

/* A tick is a free that reads the clock. If a tick finds that the clock has advanced, the next ticks of all buckets
 * come after fewer frees. */
Test(pool_ticks, come_for_all_buckets_when_it_has_gone_on)
{
    lay();
    use(B8K);
    while (frees_to_tick(B4K) < RARE) {
    }
    clock_still_advance(1);
    frees_to_tick(B4K);
    cr_assert_eq(frees_to_tick(B8K), 1, "no sample stands for the frees of the bucket yet, so its next free is a tick");
    cr_assert_eq(frees_to_tick(B8K), RARE / 2);
}

/* A tick is a free that reads the clock. In a bucket whose frees go to the stack of free slots, ticks come after fewer
 * frees than elsewhere, because such a free is slow anyway and a tick costs little more. */
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

/*
 * A tick is a free that reads the clock. After a free has pushed its slot to a stack of free slots, the next ticks of
 * all buckets come after fewer frees, so that the slot is purged in time. Until the clock advances, further slots on
 * the stack do not make the ticks come sooner.
 */
Test(pool_ticks, come_sooner_after_frees_to_the_stack)
{
    lay();
    while (frees_to_tick(B4K) < RARE) {
    }
    for (unsigned i = 0; i < 2; i++) {
        /* the first tick (a free that reads the clock) after the clock has advanced takes a sample */
        frees_to_tick(B1M);
        frees_to_tick(B1M);
        cr_assert_leq(frees_to_tick(B4K), (unsigned)HASTE);
        while (frees_to_tick(B4K) < RARE) {
        }
        frees_to_tick(B1M);
        cr_assert_gt(frees_to_tick(B4K), (unsigned)SLOW, "further slots on the stack have no effect");
        clock_still_advance(1);
        while (frees_to_tick(B4K) < RARE) {
        }
    }
}

/*
 * A tick is a free that reads the clock. The number of frees until the next tick is computed from the number of frees
 * and the time since the last tick. If this number were only halved at each tick, ticks would stay rare for an hour in
 * a thread that was busy and then frees little.
 */
Test(pool_ticks, follow_the_rate_of_frees)
{
    enum { PACE = 8, LONG = 100 }; /* in milliseconds */
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

/* A tick is a free that reads the clock. After a magazine has gone to the depot, the next tick comes after fewer frees,
 * so that the slots of this magazine need not wait for a thousand frees until they are purged. */
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
