/* Tests of memory/decay.c: which of the two generations of free slots is the young one, when the old one is due to be
 * purged, and which thread begins a new generation. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "memory/decay.h"
#include "support/crew.h"

#define MILLISECOND UINT64_C(1000000)
#define AGE         (500 * MILLISECOND) /* how long a generation is the young one if the decay time is a second */
#define START_TIME  (1000000 * MILLISECOND)

enum { THREADS = 4, ROUNDS = 100000 };

/* Sets up decay as it is after the first tick, a free that reads the clock: at START_TIME the young generation of free
 * slots has become the old one. */
static void open_decay(void)
{
    decay_open(1000);
    cr_assert(decay_turn(START_TIME));
}

static void expect_young(unsigned young)
{
    cr_assert_eq(decay_young(), young);
    cr_assert_eq(decay_old(), 1 - young);
}

Test(decay, never_purges_nothing)
{
    decay_open(DECAY_NEVER);
    cr_assert_not(decay_is_due(0));
    cr_assert_not(decay_is_due(START_TIME));
    cr_assert_not(decay_is_due(UINT64_MAX));
    unsigned young = decay_young();
    cr_assert_not(decay_turn(START_TIME));
    expect_young(young);
}

Test(decay, nothing_is_due_before_it_was_opened)
{
    cr_assert_not(decay_is_due(START_TIME));
}

Test(decay, generation_lasts_half_of_the_setting)
{
    open_decay();
    cr_assert_not(decay_is_due(START_TIME));
    cr_assert_not(decay_is_due(START_TIME + AGE - 1));
    cr_assert(decay_is_due(START_TIME + AGE));
    cr_assert(decay_is_due(START_TIME + 1000 * AGE));
}

/* The settings are milliseconds. The test tries the largest one, which is a day, and an odd number. */
Test(decay, settings_are_milliseconds)
{
    decay_open(86400000);
    cr_assert(decay_turn(86400000 * MILLISECOND));
    cr_assert_not(decay_is_due(3 * 43200000 * MILLISECOND - 1));
    cr_assert(decay_is_due(3 * 43200000 * MILLISECOND));
    decay_open(1);
    cr_assert_eq(decay.age, MILLISECOND / 2);
}

Test(decay, generations_change_places_when_it_is_due)
{
    open_decay();
    unsigned young = decay_young();
    cr_assert_not(decay_turn(START_TIME + AGE - 1));
    expect_young(young);
    cr_assert(decay_turn(START_TIME + AGE));
    expect_young(1 - young);
    cr_assert_not(decay_turn(START_TIME + AGE), "each generation lasts a whole age");
    expect_young(1 - young);
    cr_assert(decay_turn(START_TIME + 2 * AGE));
    expect_young(young);
}

/*
 * If the young and the old generation of free slots change places late, the next change is due one age (half of the
 * decay time) after that, and not earlier. During this age the slots that have just become old must be purged, in
 * steps.
 */
Test(decay, late_change_delays_the_next_one)
{
    open_decay();
    cr_assert(decay_turn(START_TIME + 7 * AGE));
    cr_assert_not(decay_is_due(START_TIME + 8 * AGE - 1));
    cr_assert(decay_is_due(START_TIME + 8 * AGE));
}

/*
 * A thread passes a time that lies in the past, as if it had been suspended since it read the clock. Another thread has
 * already made the young and the old generation of free slots change places, so this call changes nothing.
 */
Test(decay, thread_with_an_old_time_changes_nothing)
{
    open_decay();
    cr_assert(decay_turn(START_TIME + 2 * AGE));
    unsigned young = decay_young();
    cr_assert_not(decay_is_due(START_TIME + 2 * AGE - 1));
    cr_assert_not(decay_turn(START_TIME + AGE));
    expect_young(young);
}

Test(decay, one_claim_in_each_moment)
{
    open_decay();
    cr_assert(decay_claim(DECAY_GIVE, START_TIME));
    cr_assert_not(decay_claim(DECAY_GIVE, START_TIME));
    cr_assert(decay_claim(DECAY_TAKE, START_TIME), "frees and allocations have a claim each");
    cr_assert_not(decay_claim(DECAY_TAKE, START_TIME));
    cr_assert(decay_claim(DECAY_GIVE, START_TIME + 1));
    cr_assert_not(decay_claim(DECAY_GIVE, START_TIME + 1));
}

static _Atomic unsigned turns;

/*
 * Runs as a thread. At the end of each age (half of the decay time) all threads call decay_turn, some of them late, to
 * make the young and the old generation of free slots change places. decay_turn must return true to only one of them.
 */
static void turn_age_by_age(unsigned number)
{
    (void)number;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        turns += decay_turn(START_TIME + round * AGE);
    }
}

Test(decay, one_of_several_threads_changes_generations, .timeout = 60)
{
    open_decay();
    unsigned young = decay_young();
    crew_run(THREADS, turn_age_by_age);
    cr_assert_eq(turns, ROUNDS);
    expect_young(young);
    cr_assert_not(decay_is_due(START_TIME + ROUNDS * AGE));
}

/* --- loads that return --- */

enum { MUCH = 1 << 20 };
#define EXTRA (375 * MILLISECOND)

/*
 * Counts `purged` bytes as purged, and `missed` bytes as purged and then allocated again, so that they needed new
 * pages. Then makes the young and the old generation of free slots change places, `age` nanoseconds after the last
 * change.
 */
static void end_generation(uint64_t age, size_t purged, size_t missed)
{
    decay_count_purged(purged);
    decay_count_missed(missed);
    cr_assert(decay_turn(decay.turned + age));
}

Test(decay, generations_last_longer_while_the_load_returns)
{
    open_decay();
    end_generation(AGE, MUCH, 0);
    cr_assert_eq(decay_age(), AGE);
    end_generation(AGE, 0, MUCH / 2);
    cr_assert_eq(decay_age(), AGE + EXTRA);
    cr_assert_not(decay_is_due(decay.turned + AGE + EXTRA - 1));
    cr_assert(decay_is_due(decay.turned + AGE + EXTRA));
}

Test(decay, longer_generation_is_three_times_as_much_more_at_most)
{
    decay_open(100);
    cr_assert_eq(decay.most_extra, 150 * MILLISECOND);
    decay_open(250);
    cr_assert_eq(decay.most_extra, 375 * MILLISECOND);
    decay_open(86400000);
    cr_assert_eq(decay.most_extra, 375 * MILLISECOND);
    decay_open(0);
    cr_assert_eq(decay.most_extra, 0);
}

/* If a load needs its purged pages again within this time, free slots keep their pages longer from then on. The value
 * is for the decay time that open_short_decay sets. */
#define SOON (EXTRA + 125 * MILLISECOND)

static void open_short_decay(void)
{
    decay_open(250);
    cr_assert(decay_turn(START_TIME));
}

/* Counts `purged` bytes of slots that were purged, and `after` nanoseconds later `missed` bytes that were allocated
 * again. Returns true if decay has learnt from this, so that free slots keep their pages longer. */
static bool learns(size_t purged, uint64_t after, size_t missed)
{
    open_short_decay();
    end_generation(decay.age, purged, 0);
    end_generation(after, 0, missed);
    return decay_age() > decay.age;
}

Test(decay, load_returns_if_half_of_its_pages_are_missed_soon)
{
    cr_assert(learns(MUCH, SOON, MUCH / 2));
}

Test(decay, lesser_load_has_not_returned)
{
    cr_assert_not(learns(MUCH, SOON, MUCH / 2 - 1));
}

Test(decay, later_load_has_not_returned)
{
    cr_assert_not(learns(MUCH, SOON + 1, MUCH));
}

Test(decay, small_loads_do_not_count)
{
    cr_assert_not(learns(MUCH - 1, SOON, MUCH));
}

Test(decay, load_may_return_while_it_is_being_purged)
{
    open_short_decay();
    end_generation(decay.age, MUCH, MUCH / 2);
    cr_assert_gt(decay_age(), decay.age);
}

Test(decay, load_that_stays_away_ends_the_longer_generations)
{
    cr_assert(learns(2 * MUCH, SOON, 2 * MUCH));
    end_generation(decay_age(), MUCH - 1, 0);
    cr_assert_gt(decay_age(), decay.age, "a part of the load is less than half");
    end_generation(decay_age(), MUCH, 0);
    cr_assert_eq(decay_age(), decay.age);
}
