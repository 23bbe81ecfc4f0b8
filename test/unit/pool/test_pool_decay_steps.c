/* Tests of the steps of decay, each of which purges some old slots: how much one step purges, and when the next step
 * runs. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "pool/pool.h"
#include "pool/pressure.h"
#include "support/ages.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"

/* QUANTUM is how many pages one step of decay purges. STEPS is how many steps can run each time the clock advances: one
 * by a free and one by an allocation. */
enum { QUANTUM = 128, STEPS = 2 };

TestSuite(pool_decay_steps, .timeout = 60);

/* Returns how many pages a slot of the bucket has, with its headroom. Purging the slot discards all these pages. */
static uint64_t pages_of(unsigned bucket)
{
    return house_plan.stride[bucket] / 4096;
}

/* Each row is a bucket and the number of its slots that the test uses. None of these slots stays in the thread's cache
 * when it is freed. */
static const struct heap {
    unsigned bucket;
    unsigned count;
} heaps[] = {{B128K, 40}, {B512K, 10}};

ParameterizedTestParameters(pool_decay_steps, step_is_as_many_slots_as_the_quantum_begins)
{
    return cr_make_param_array(const struct heap, (void *)(uintptr_t)heaps, sizeof heaps / sizeof heaps[0]);
}

/* A step purges whole slots until it has purged at least QUANTUM pages. */
ParameterizedTest(const struct heap *heap, pool_decay_steps, step_is_as_many_slots_as_the_quantum_begins)
{
    unsigned bucket = heap->bucket;
    ages_lay(DECAY);
    ages_take_and_give(bucket, heap->count);
    ages_pass(AGE);
    clock_still_advance(AGE);
    uint64_t left = house_figures(bucket)->depot;
    uint64_t purged = house_figures(bucket)->purged;
    uint64_t step = STEPS * ((QUANTUM + pages_of(bucket) - 1) / pages_of(bucket));
    cr_assert_gt(left, step);
    while (left > 0) {
        step = left < step ? left : step;
        ages_pass(1);
        left -= step;
        purged += step;
        cr_assert_eq(house_figures(bucket)->purged, purged);
    }
    house_assert();
}

/* A step of decay can end with the last slot of a magazine. The next step may then begin with a slot that lies alone.
 * Such a slot uses up the whole step, so this step purges no other slot. */
Test(pool_decay_steps, step_of_small_slots_may_end_with_a_magazine)
{
    ages_lay(DECAY);
    ages_take_and_give(B64K, 4 * MAGAZINE_SLOTS);
    ages_pass(AGE);
    clock_still_advance(AGE);
    uint64_t most = STEPS * ((QUANTUM + pages_of(B64K) - 1) / pages_of(B64K));
    uint64_t before = house_figures(B64K)->purged;
    for (uint64_t left = house_figures(B64K)->depot; left > 0;) {
        ages_pass(1);
        uint64_t gone = house_figures(B64K)->purged - before;
        cr_assert_leq(gone, most);
        cr_assert_geq(gone, left < most / 2 ? left : most / 2);
        before += gone;
        left -= gone;
    }
    house_assert();
}

/* A tick (a free that reads the clock) runs the first step of decay. Each time the clock advances after that, the next
 * allocation runs one more step, and the next free runs another one. */
Test(pool_decay_steps, steps_follow_each_other_while_there_is_more)
{
    enum { ALL = 5 };
    ages_lay(DECAY);
    ages_take_and_give(B512K, ALL);
    ages_pass(AGE);
    clock_still_advance(AGE);
    while (house_figures(B512K)->purged == 0) {
        house_give(house_take(B4K, 4096, NULL));
    }
    for (unsigned done = 2; done < ALL; done += STEPS) {
        clock_still_advance(1);
        void *slot = house_take(B4K, 4096, NULL);
        cr_assert_eq(house_figures(B512K)->purged, done);
        house_give(slot);
        cr_assert_eq(house_figures(B512K)->purged, done + 1);
    }
}

static void tick_in_another_thread(unsigned number)
{
    (void)number;
    ages_tick();
}

/* While the clock stands still, all threads together run at most STEPS steps. */
Test(pool_decay_steps, no_more_in_a_moment_whoever_ticks)
{
    ages_lay(DECAY);
    ages_take_and_give(B512K, 5);
    ages_pass(AGE);
    ages_pass(AGE);
    cr_assert_eq(house_figures(B512K)->purged, STEPS);
    crew_run(1, tick_in_another_thread);
    cr_assert_eq(house_figures(B512K)->purged, STEPS);
    clock_still_advance(1);
    crew_run(4, tick_in_another_thread);
    cr_assert_eq(house_figures(B512K)->purged, 2 * STEPS);
    house_assert();
}

/* Returns how many allocations the private magazine could not serve. */
static uint64_t troubles(unsigned bucket)
{
    const struct cache_tally *tally = &cache_mine->tally[bucket];
    return counter_read(&tally->swaps) + counter_read(&tally->misses);
}

/*
 * A thread that only allocates, in any bucket, also runs steps of decay. The slots in its cache stay there meanwhile.
 */
Test(pool_decay_steps, takes_alone_go_on_with_it)
{
    enum { ALL = 6 };
    static const unsigned buckets[] = {B4K, B16K, B128K};
    ages_lay(DECAY);
    ages_take_and_give(B512K, ALL);
    for (unsigned i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        ages_take_and_give(buckets[i], 2);
    }
    ages_pass(AGE);
    clock_still_advance(AGE);
    while (house_figures(B512K)->purged == 0) {
        house_give(house_take(B4K, 4096, NULL));
    }
    for (unsigned i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        uint64_t carved = region_carved(buckets[i]);
        uint64_t before = troubles(buckets[i]);
        clock_still_advance(1);
        cr_assert_not_null(house_take(buckets[i], house_plan.capacity[buckets[i]], NULL));
        cr_assert_eq(house_figures(B512K)->purged, 2 + i);
        cr_assert_eq(region_carved(buckets[i]), carved, "the slot was free before, and is not a new one");
        cr_assert_eq(troubles(buckets[i]), before, "the slot comes from the thread's cache");
    }
    house_assert();
}

/* If memory is nearly used up, each tick (a free that reads the clock) purges slots of any age, and each thread purges
 * in its own ticks. So no allocation has to run a step of decay. */
Test(pool_decay_steps, takes_are_not_forced_slow_under_pressure)
{
    ages_lay(DECAY);
    ages_take_and_give(B512K, 2);
    atomic_store(&pressure.high, true);
    ages_pass(1);
    cr_assert_gt(house_figures(B512K)->purged, 0);
    cr_assert_not(cache_mine->state.more);
}

Test(pool_decay_steps, takes_by_processor_go_on_with_it_too)
{
    enum { ALL = 5 };
    processors_need();
    house_pools.kind = KIND_CPU;
    ages_lay(DECAY);
    cr_assert_eq(pool_kind(), KIND_CPU);
    ages_take_and_give(B512K, ALL);
    ages_pass(AGE);
    clock_still_advance(AGE);
    while (house_figures(B512K)->purged == 0) {
        house_give(house_take(B4K, 4096, NULL));
    }
    for (unsigned done = 2; done <= ALL; done++) {
        clock_still_advance(1);
        cr_assert_not_null(house_take(B4K, 4096, NULL));
        cr_assert_eq(house_figures(B512K)->purged, done);
    }
}

Test(pool_decay_steps, purged_ones_are_taken_last_and_are_zero)
{
    enum { ALL = 5, PURGED = 2 };
    ages_lay(DECAY);
    ages_take_and_give(B512K, ALL);
    ages_pass(AGE);
    ages_pass(AGE);
    cr_assert_eq(house_figures(B512K)->purged, PURGED);
    for (unsigned i = 0; i < ALL; i++) {
        uint8_t was;
        const char *slot = house_take(B512K, 1 << 19, &was);
        cr_assert_eq(slot_meta_state(was), i < ALL - PURGED ? SLOT_FREE : SLOT_PURGED);
        cr_assert(!slot_meta_is_zero(was) ||
                  (slot[0] == 0 && memcmp(slot, slot + 1, house_plan.capacity[B512K] - 1) == 0));
    }
    cr_assert_eq(house_figures(B512K)->carved, ALL);
    house_assert();
}
