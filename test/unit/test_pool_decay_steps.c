/* The pool room's steps of decay: how much goes at a time, and when the next step comes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "ages.h"
#include "crew.h"
#include "house.h"
#include "pool.h"

enum { QUANTUM = 256 /* pages */ };

TestSuite(pool_decay_steps, .timeout = 60);

/* Pages of the slot with its headroom, all of which a purge asks the kernel to take. */
static uint64_t pages_of(unsigned bucket)
{
    return house_plan.stride[bucket] / 4096;
}

/* Slots, none of which stays with the thread. */
static const struct heap {
    unsigned bucket;
    unsigned count;
} heaps[] = {{B64K, 4 * MAGAZINE_SLOTS}, {B128K, 40}, {B512K, 10}, {B1M, 6}};

ParameterizedTestParameters(pool_decay_steps, step_is_as_many_slots_as_the_quantum_begins)
{
    return cr_make_param_array(const struct heap, (void *)(uintptr_t)heaps,
                               sizeof heaps / sizeof heaps[0]);
}

ParameterizedTest(const struct heap *heap, pool_decay_steps,
                  step_is_as_many_slots_as_the_quantum_begins)
{
    unsigned bucket = heap->bucket;
    ages_lay(DECAY);
    ages_take_and_give(bucket, heap->count);
    ages_pass(AGE);
    clock_still_advance(AGE);
    uint64_t left = ages_figures(bucket)->depot;
    uint64_t purged = ages_figures(bucket)->purged;
    uint64_t step = (QUANTUM + pages_of(bucket) - 1) / pages_of(bucket);
    cr_assert_gt(left, step);
    while (left > 0) {
        step = left < step ? left : step;
        ages_pass(1);
        left -= step;
        purged += step;
        cr_assert_eq(ages_figures(bucket)->purged, purged);
    }
    house_assert();
}

/* The next one comes with the first free for which the clock has gone on. */
Test(pool_decay_steps, steps_follow_each_other_while_there_is_more)
{
    enum { ALL = 5 };
    ages_lay(DECAY);
    ages_take_and_give(B1M, ALL);
    ages_pass(AGE);
    clock_still_advance(AGE);
    while (ages_figures(B1M)->purged == 0) {
        house_give(house_take(B4K, 4096, NULL));
    }
    for (unsigned done = 2; done <= ALL; done++) {
        clock_still_advance(1);
        house_give(house_take(B4K, 4096, NULL));
        cr_assert_eq(ages_figures(B1M)->purged, done);
    }
}

static void tick_in_another_thread(unsigned number)
{
    (void)number;
    ages_tick();
}

Test(pool_decay_steps, one_step_a_moment_whoever_ticks)
{
    ages_lay(DECAY);
    ages_take_and_give(B1M, 5);
    ages_pass(AGE);
    ages_pass(AGE);
    cr_assert_eq(ages_figures(B1M)->purged, 1);
    crew_run(1, tick_in_another_thread);
    cr_assert_eq(ages_figures(B1M)->purged, 1);
    clock_still_advance(1);
    crew_run(4, tick_in_another_thread);
    cr_assert_eq(ages_figures(B1M)->purged, 2);
    house_assert();
}

Test(pool_decay_steps, purged_ones_are_taken_last_and_are_zero)
{
    enum { ALL = 5, PURGED = 2 };
    ages_lay(DECAY);
    ages_take_and_give(B1M, ALL);
    ages_pass(AGE);
    ages_pass(AGE);
    ages_pass(1);
    cr_assert_eq(ages_figures(B1M)->purged, PURGED);
    for (unsigned i = 0; i < ALL; i++) {
        uint32_t was;
        const char *slot = house_take(B1M, 1 << 20, &was);
        cr_assert_eq(card_state(was), i < ALL - PURGED ? CARD_FREE : CARD_PURGED);
        cr_assert(!card_is_zero(was) ||
                  (slot[0] == 0 && memcmp(slot, slot + 1, house_plan.capacity[B1M] - 1) == 0));
    }
    cr_assert_eq(ages_figures(B1M)->carved, ALL);
    house_assert();
}
