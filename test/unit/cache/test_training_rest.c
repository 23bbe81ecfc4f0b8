/* Tests of quotas that training lowers when time passes and the slots are not needed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "pool/pool.h"
#include "support/ages.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/quotas.h"

enum { BUCKET = B16K, FIRST = MAGAZINE_SLOTS, HELD = 60 };

static void *taken[2 * FIRST];

static void take(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(BUCKET, 16384, NULL);
        cr_assert_not_null(taken[i]);
    }
}

static void give(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        house_give(taken[i]);
    }
}

/* Moves the clock on by `milliseconds`, and then does what a tick (a free that reads the clock) does for training. */
static void rest(uint64_t milliseconds)
{
    clock_still_advance(milliseconds);
    training_rest(cache_mine, clock_now());
}

/*
 * Sets the bucket's quota to FIRST, puts HELD slots into the private magazine, and begins an age. (An age is half of
 * the decay time; at its end an unused quota is lowered.) In the age before, a request missed, so the quota was not
 * lowered.
 */
static void lay(uint64_t decay_milliseconds, bool frozen)
{
    house_pools.decay = decay_milliseconds;
    house_pools.training = (struct training_settings){.frozen = frozen, .first = {[BUCKET] = FIRST}};
    house_lay_default();
    take(HELD - 1);
    give(HELD - 1);
    take(HELD);
    give(HELD);
    rest(AGE);
    cr_assert_eq(quotas_of(BUCKET), FIRST);
    cr_assert_eq(cache_held(cache_mine, BUCKET), HELD);
}

/* An age is half of the decay time. If the bucket is not used in an age, it loses half of its quota. */
Test(training_rest, idle_quota_is_halved_each_age_until_there_is_none)
{
    lay(DECAY, false);
    uint64_t decays = 0;
    for (unsigned wanted = FIRST / 2; wanted > 0; wanted /= 2) {
        rest(AGE);
        cr_assert_eq(quotas_of(BUCKET), wanted);
        cr_assert_leq(cache_held(cache_mine, BUCKET), wanted);
        cr_assert_eq(quotas_count(BUCKET, "decays"), ++decays);
        quotas_assert();
    }
    rest(AGE);
    cr_assert_eq(quotas_of(BUCKET), 0U);
    cr_assert_eq(house_figures(BUCKET)->cached, 0);
    cr_assert_eq(budget_charged(), 0);
    quotas_assert();
    rest(AGE);
    cr_assert_eq(quotas_count(BUCKET, "decays"), decays + 1, "a bucket without a quota loses nothing");
}

Test(training_rest, quota_stays_until_the_age_is_over)
{
    lay(DECAY, false);
    for (unsigned i = 0; i < AGE - 1; i++) {
        rest(1);
        cr_assert_eq(quotas_of(BUCKET), FIRST);
    }
    rest(1);
    cr_assert_eq(quotas_of(BUCKET), FIRST / 2);
}

/* Lets an age (half of the decay time) pass in which `count` slots were in use at once. Training looks at the magazine
 * in the middle of the age, when these slots are in use, and at its end. */
static void live_through(unsigned count)
{
    take(count);
    rest(AGE / 2);
    give(count);
    rest(AGE / 2);
}

/*
 * An age is half of the decay time. In an age in which no request missed and the magazines were not exchanged, the
 * quota falls by half of the slots that were not allocated in this age, or by a quarter of itself if that is more. At
 * last the quota is so small that the slots in use fill both magazines.
 */
Test(training_rest, unused_part_of_a_quota_is_lost)
{
    enum { USED = 4, AGES = 20 };
    lay(DECAY, false);
    live_through(USED);
    cr_assert_eq(quotas_of(BUCKET), FIRST - (HELD - USED) / 2);
    for (unsigned age = 0; age < AGES; age++) {
        uint32_t before = quotas_of(BUCKET);
        live_through(USED);
        cr_assert_geq(quotas_of(BUCKET), before / 2);
        quotas_assert();
    }
    cr_assert_leq(quotas_of(BUCKET), (unsigned)USED);
    cr_assert_geq(2 * quotas_of(BUCKET), (unsigned)USED);
}

/* Training looks at the magazine twice and finds it equally full, as if it had not been used. But in between it was
 * empty and a request missed, so the quota must not be lowered. */
Test(training_rest, quota_that_was_too_small_once_is_not_lowered)
{
    lay(DECAY, false);
    rest(AGE / 2);
    take(HELD + 1);
    give(HELD + 1);
    cr_assert_gt(quotas_count(BUCKET, "misses"), 0);
    rest(AGE / 2);
    cr_assert_eq(quotas_of(BUCKET), FIRST);
    live_through(1);
    cr_assert_lt(quotas_of(BUCKET), (unsigned)FIRST, "in the next age the miss no longer counts");
}

/* Allocates and then frees one slot more than the quota lets one magazine hold. */
static void need_both_magazines(unsigned bucket)
{
    void *used[2 * MAGAZINE_SLOTS];
    uint32_t count = quotas_of(bucket) + 1;
    for (uint32_t i = 0; i < count; i++) {
        used[i] = house_take(bucket, house_plan.size[bucket], NULL);
    }
    for (uint32_t i = 0; i < count; i++) {
        house_give(used[i]);
    }
}

Test(training_rest, other_buckets_keep_theirs)
{
    lay(DECAY, false);
    quotas_promote(B8K);
    uint32_t quota = quotas_of(B8K);
    for (unsigned age = 0; age < 3; age++) {
        need_both_magazines(B8K);
        cr_assert_geq(quotas_of(B8K), quota);
        rest(AGE);
    }
    cr_assert_geq(quotas_of(B8K), quota);
    cr_assert_leq(quotas_of(BUCKET), (unsigned)FIRST / 8);
    quotas_assert();
}

Test(training_rest, frozen_quotas_stay)
{
    lay(DECAY, true);
    for (unsigned age = 0; age < 10; age++) {
        rest(AGE);
    }
    cr_assert_eq(quotas_of(BUCKET), FIRST);
}

Test(training_rest, quotas_stay_without_decay)
{
    lay(DECAY_NEVER, false);
    for (unsigned age = 0; age < 10; age++) {
        rest(1000 * AGE);
    }
    cr_assert_eq(quotas_of(BUCKET), FIRST);
}

/* A bucket is no longer used. Frees in other buckets read the clock now and then (a tick), and in these ticks training
 * finds the unused bucket and lowers its quota. */
Test(training_rest, ticks_lower_the_quota)
{
    lay(DECAY, false);
    /* from here on the frees of ages_tick take the fast path, and training does not see frees on that path */
    ages_tick();
    uint32_t quota = quotas_of(BUCKET);
    cr_assert_gt(quota, 4U);
    ages_pass(AGE);
    cr_assert_eq(quotas_of(BUCKET), quota / 2);
    ages_pass(AGE);
    cr_assert_eq(quotas_of(BUCKET), quota / 4);
    quotas_assert();
}
