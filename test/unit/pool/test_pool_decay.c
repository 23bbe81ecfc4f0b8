/* Tests of decay: free slots lose their pages as time passes, unless they are needed again. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "pool/pool.h"
#include "pool/pool_sleep.h"
#include "support/ages.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"
#include "support/recovered.h"

/* enough slots to fill both magazines of the thread and two magazines of the depot */
enum { SLOTS = 4 * MAGAZINE_SLOTS };

TestSuite(pool_decay, .timeout = 60);

/* In each kind of pool, a free slot is purged when it has been free for at least half of the decay time, and at most
 * for the whole decay time. */
static enum kind kinds[] = {KIND_THREAD, KIND_LOCKFREE, KIND_STANDARD, KIND_CPU, KIND_AUTO};

ParameterizedTestParameters(pool_decay, pages_go_by_age)
{
    return cr_make_param_array(enum kind, kinds, sizeof kinds / sizeof kinds[0]);
}

ParameterizedTest(enum kind *kind, pool_decay, pages_go_by_age)
{
    enum { COUNT = 10 };
    if (*kind == KIND_CPU || *kind == KIND_AUTO) {
        processors_need();
    }
    house_pools.kind = *kind;
    house_pools.crowd = 100;
    house_pools.free_list = SLOTS;
    ages_lay(DECAY);
    ages_take_and_give(B1M, COUNT);
    ages_pass_almost(AGE);
    cr_assert_eq(house_figures(B1M)->purged, 0);
    /* The slots join the old generation in this call. They could have joined it almost a millisecond earlier: one
     * nanosecond after the call of ages_pass_almost. */
    ages_pass(1);
    cr_assert_eq(house_figures(B1M)->purged, 0);
    ages_pass_almost(AGE);
    cr_assert_eq(house_figures(B1M)->purged, 0);
    ages_pass(1);
    cr_assert_gt(house_figures(B1M)->purged, 0U);
    ages_purge_all(B1M);
    cr_assert_eq(house_figures(B1M)->purged, COUNT);
    cr_assert_eq(house_figures(B1M)->resident, 0);
    house_assert();
}

/* Moves the clock on by `before` milliseconds, because a thread whose sleeps follow one another closely is not
 * interrupted. Then returns after how many milliseconds the library would interrupt a sleep of `milliseconds` to run a
 * step of decay; 0 if it would not interrupt the sleep. */
static uint64_t interrupted(uint64_t milliseconds, uint64_t before)
{
    enum { NANOSECONDS = 1000000 };
    clock_still_advance(before);
    uint64_t limit = pool_sleep_limit(milliseconds * NANOSECONDS, false);
    return limit == POOL_SLEEP_NEVER ? 0 : limit / NANOSECONDS;
}

/* A sleep that ends before any slot can be purged is not interrupted, although the young generation of free slots could
 * become the old one during the sleep. */
Test(pool_decay, sleep_in_which_nothing_can_be_purged_is_not_interrupted)
{
    enum { PAUSE = 20 };
    house_pools.kind = KIND_LOCKFREE;
    ages_lay(DECAY);
    ages_take_and_give(B256K, 1);
    cr_assert_eq(interrupted(DECAY - PAUSE - 1, PAUSE), 0, "the slot is young, and can be purged after DECAY only");
    cr_assert_eq(interrupted(DECAY - PAUSE, PAUSE), AGE - 2 * PAUSE);
    clock_still_advance(AGE - 2 * PAUSE);
    pool_sleep_step();
    cr_assert_eq(interrupted(AGE, PAUSE), AGE - PAUSE, "the slot is of the old generation");
    clock_still_advance(AGE - PAUSE);
    pool_sleep_step();
    cr_assert_eq(house_figures(B256K)->purged, 1);
    house_assert();
}

/* A slot that is freed just before the young generation becomes the old one is purged after half of the decay time. */
Test(pool_decay, what_is_given_late_in_an_age_goes_after_half_of_the_time)
{
    ages_lay(DECAY);
    clock_still_advance_almost(AGE);
    ages_take_and_give(B1M, 1);
    ages_pass(1);
    ages_pass_almost(AGE);
    cr_assert_eq(house_figures(B1M)->purged, 0);
    ages_pass(1);
    cr_assert_eq(house_figures(B1M)->purged, 1);
}

Test(pool_decay, never_purges_nothing)
{
    enum { DAY = 24 * 60 * 60 * 1000 };
    ages_lay(DECAY_NEVER);
    ages_take_and_give(B1M, 10);
    ages_take_and_give(B16K, SLOTS);
    for (unsigned day = 0; day < 5; day++) {
        ages_pass(DAY);
    }
    cr_assert_eq(house_figures(B1M)->purged, 0);
    cr_assert_eq(house_metadata(B16K, SLOT_PURGED), 0);
    cr_assert_eq(house_figures(B16K)->cached, 2 * MAGAZINE_SLOTS, "the idle public magazine stays in the cache");
}

/* A slot that is allocated again and again keeps its pages, however many other slots are free. */
Test(pool_decay, what_is_needed_stays)
{
    enum { ALL = 10, NEEDED = 3 };
    ages_lay(DECAY);
    ages_take_and_give(B1M, ALL);
    for (unsigned age = 0; age < 10; age++) {
        ages_take_and_give(B1M, NEEDED);
        ages_pass(AGE);
        ages_purge_all(B1M);
        cr_assert_leq(house_figures(B1M)->purged, (uint64_t)ALL - NEEDED);
    }
    cr_assert_eq(house_figures(B1M)->purged, ALL - NEEDED);
    cr_assert_eq(house_figures(B1M)->carved, ALL);
    cr_assert_eq(counter_read(&cache_mine->tally[B1M].unpurged), 0);
    house_assert();
}

/* Old magazines are purged like other old free slots: those of the depot first, then the thread's own public magazine.
 * The private magazine of a thread is not purged. */
Test(pool_decay, magazines_go_as_free_slots_do)
{
    ages_lay(DECAY);
    ages_take_and_give(B16K, SLOTS);
    cr_assert_eq(house_figures(B16K)->depot, 2 * MAGAZINE_SLOTS);
    ages_pass(AGE);
    cr_assert_eq(house_metadata(B16K, SLOT_PURGED), 0);
    ages_pass(AGE);
    ages_purge_all(B16K);
    cr_assert_eq(house_metadata(B16K, SLOT_PURGED), 2 * MAGAZINE_SLOTS);
    ages_pass(AGE);
    ages_pass(AGE);
    ages_purge_all(B16K);
    cr_assert_eq(house_metadata(B16K, SLOT_PURGED), 3 * MAGAZINE_SLOTS);
    cr_assert_eq(house_figures(B16K)->cached, MAGAZINE_SLOTS);
    house_assert();
}

/* --- threads that sleep, and processes that fork --- */

/* Thread 0 fills its two magazines and the depot, and then sleeps. Thread 1 lets time pass. After the decay time the
 * public magazine of thread 0 must be in the depot. Later all slots of the depot must be purged. The private magazine
 * of thread 0 stays as it is. */
static void fall_asleep(unsigned number)
{
    if (number == 0) {
        ages_take_and_give(B16K, SLOTS);
        crew_meet();
        crew_meet();
        return;
    }
    crew_meet();
    CHECK(house_figures(B16K)->cached == 2 * MAGAZINE_SLOTS);
    ages_pass(AGE);
    CHECK(house_figures(B16K)->cached == 2 * MAGAZINE_SLOTS);
    ages_pass(AGE);
    CHECK(house_figures(B16K)->cached == MAGAZINE_SLOTS);
    for (unsigned i = 0; i < 10; i++) {
        ages_pass(AGE);
    }
    CHECK(house_figures(B16K)->depot == 0);
    CHECK(house_metadata(B16K, SLOT_PURGED) == SLOTS - MAGAZINE_SLOTS);
    CHECK(house_figures(B16K)->cached == MAGAZINE_SLOTS);
    house_check();
    crew_meet();
}

Test(pool_decay, public_magazine_of_a_sleeper_goes_too)
{
    ages_lay(DECAY);
    crew_run(2, fall_asleep);
}

static void decay_in_the_child(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    uint64_t freed = house_figures(B1M)->depot + house_figures(B1M)->purged;
    uint64_t live = house_figures(B1M)->live;
    CHECK(freed == 5 && live == 1);
    ages_tick();
    for (unsigned i = 0; i < 10; i++) {
        ages_pass(AGE);
    }
    CHECK(house_figures(B1M)->purged == freed);
    CHECK(house_figures(B1M)->live == live);
    house_check();
}

static void expect_decay_in_a_child(unsigned number)
{
    struct capture capture;
    (void)number;
    capture_run(&capture, decay_in_the_child, NULL);
    recovered_expect_clean(&capture);
}

/* The process forks when one of five old slots has been purged, and the child purges the others. The fork is made once
 * with one thread and once with several. */
Test(pool_decay, child_of_a_fork_goes_on)
{
    ages_lay(DECAY);
    house_take(B1M, 1 << 20, NULL);
    ages_take_and_give(B1M, 5);
    ages_pass(AGE);
    ages_pass(AGE);
    expect_decay_in_a_child(0);
    cr_assert_null(crew_fault(), "%s", crew_fault());
    crew_run(1, expect_decay_in_a_child);
    house_assert();
}

/* --- loads that return --- */

/* The program allocates COUNT slots at a time: a load. The second load comes soon after the slots of the first were
 * purged, so free slots keep their pages longer from then on. After the second load the program allocates nothing until
 * that longer time is over, so after the third load free slots keep their pages only for the short decay time again. */
Test(pool_decay, pages_of_a_load_that_returns_stay_longer)
{
    enum { COUNT = 10, SHORT = 250, EXTRA = 375 };
    ages_lay(SHORT);
    for (unsigned load = 0; load < 3; load++) {
        uint64_t before = house_figures(B512K)->purged;
        ages_take_and_give(B512K, COUNT);
        cr_assert_eq(house_figures(B512K)->purged, 0);
        ages_pass(SHORT / 2); /* the slots now belong to the old generation */
        bool stays = load == 1;
        if (stays) {
            cr_assert_eq(before, COUNT);
            ages_pass(SHORT / 2 + EXTRA - 1);
            cr_assert_eq(house_figures(B512K)->purged, 0, "load %u", load);
            ages_pass(1);
        } else {
            ages_pass(SHORT / 2);
        }
        cr_assert_gt(house_figures(B512K)->purged, 0, "load %u", load);
        ages_purge_all(B512K);
        if (stays) {
            ages_pass(1000);
        }
    }
    house_assert();
}
