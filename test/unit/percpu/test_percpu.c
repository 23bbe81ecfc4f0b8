/* Tests of percpu/percpu.c, the caches of processors, on one processor: its magazine, and the exchange of magazines
 * with the depot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "memory/region.h"
#include "memory/reserve.h"
#include "os/os.h"
#include "os/os_processors.h"
#include "percpu/percpu.h"
#include "support/house.h"
#include "support/processors.h"

enum { QUOTA = 8, RUN = 16 };

static void *expect_take(unsigned bucket, enum percpu_source wanted)
{
    enum percpu_source source;
    void *slot = processors_take(bucket, &source);
    cr_assert_not_null(slot);
    cr_assert_eq(source, wanted, "from %u, not %u", source, wanted);
    return slot;
}

static void take(unsigned bucket, unsigned count, void **taken)
{
    enum percpu_source source;
    for (unsigned i = 0; i < count; i++) {
        taken[i] = processors_take(bucket, &source);
        cr_assert_not_null(taken[i]);
    }
}

/* --- without records, and without a quota ---------------------------------------------------- */

Test(percpu, needs_exactly_the_space_that_it_reports)
{
    size_t space = percpu_space();
    cr_assert_eq(space % os_page_size(), 0);
    cr_assert_eq(space, reserve_space(os_round_to_pages(os_processors() * sizeof(struct cache))));
    char *start = house_space(space);
    cr_assert_not_null(start);
    cr_assert(percpu_lay());
    cr_assert_eq((size_t)(reserve_cut(0) - start), space);
}

Test(percpu, before_init_the_stacks_serve)
{
    processors_need();
    house_lay_default();
    percpu_set_quota(B16K, QUOTA);
    void *slot = expect_take(B16K, PERCPU_CARVED);
    cr_assert_eq(region_carved(B16K), 1U, "without a quota a single slot is carved");
    cr_assert_not(processors_give(B16K, slot));
    cr_assert_eq(expect_take(B16K, PERCPU_FREE), slot);
    cr_assert_eq(PROCESSORS_SLOW(B16K, carves), 1);
    cr_assert_eq(PROCESSORS_SLOW(B16K, stack_hits), 1);
    cr_assert_eq(PROCESSORS_SLOW(B16K, deposited), 1);
    house_assert();
}

Test(percpu, without_a_quota_no_slot_stays)
{
    processors_lay();
    cr_assert_eq(percpu_quota(B16K), 0U);
    void *slot = expect_take(B16K, PERCPU_CARVED);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_not(processors_give(B16K, slot));
        cr_assert_eq(expect_take(B16K, PERCPU_FREE), slot);
    }
    cr_assert_eq(PROCESSORS_SLOW(B16K, stack_hits), 100);
    cr_assert_eq(PROCESSORS_SLOW(B16K, depot_hits), 0);
    house_assert();
}

/* --- one processor --------------------------------------------------------------------------- */

Test(percpu, carves_a_run_with_a_quota)
{
    processors_lay();
    unsigned here = processors_pin(0);
    percpu_set_quota(B16K, QUOTA);
    percpu_set_quota(B4K, MAGAZINE_SLOTS);
    expect_take(B16K, PERCPU_CARVED);
    cr_assert_eq(processors_held(here, B16K), QUOTA - 1U);
    expect_take(B4K, PERCPU_CARVED);
    cr_assert_eq(processors_held(here, B4K), RUN - 1U);
    for (unsigned left = QUOTA - 1; left > 0; left--) {
        expect_take(B16K, PERCPU_CACHE);
        cr_assert_eq(processors_held(here, B16K), left - 1);
    }
    expect_take(B16K, PERCPU_CARVED);
    cr_assert_eq(PROCESSORS_SLOW(B16K, carves), 2);
    cr_assert_eq(PROCESSORS_SLOW(B16K, misses), 2);
    cr_assert_eq(region_carved(B16K), 2U * QUOTA);
    house_assert();
}

Test(percpu, last_in_is_first_out)
{
    processors_lay();
    processors_pin(0);
    percpu_set_quota(B16K, QUOTA);
    void *taken[QUOTA];
    take(B16K, QUOTA, taken);
    for (unsigned i = 0; i < QUOTA; i++) {
        cr_assert(processors_give(B16K, taken[i]));
    }
    for (unsigned i = QUOTA; i-- > 0;) {
        cr_assert_eq(expect_take(B16K, PERCPU_CACHE), taken[i]);
    }
    house_assert();
}

/* Frees as many slots as two magazines of the processor hold. When the magazine is full, the next free moves it to the
 * depot, and an empty magazine takes its place. */
static void give_beyond_the_quota(unsigned here)
{
    void *taken[2 * QUOTA];
    take(B16K, 2 * QUOTA, taken);
    for (unsigned i = 0; i < QUOTA; i++) {
        cr_assert(processors_give(B16K, taken[i]));
        cr_assert_eq(processors_held(here, B16K), i + 1);
    }
    cr_assert_eq(PROCESSORS_SLOW(B16K, deposited), 0);
    uint64_t misses = PROCESSORS_SLOW(B16K, misses);
    cr_assert(processors_give(B16K, taken[QUOTA]));
    cr_assert_eq(PROCESSORS_SLOW(B16K, misses), misses + 1);
    cr_assert_eq(processors_held(here, B16K), 1U, "an empty magazine has replaced the full one");
    cr_assert_eq(PROCESSORS_SLOW(B16K, deposited), QUOTA);
    for (unsigned i = QUOTA + 1; i < 2 * QUOTA; i++) {
        cr_assert(processors_give(B16K, taken[i]));
    }
    house_assert();
}

Test(percpu, magazines_go_to_the_depot_and_come_back)
{
    processors_lay();
    unsigned here = processors_pin(0);
    percpu_set_quota(B16K, QUOTA);
    give_beyond_the_quota(here);
    for (unsigned i = 0; i < QUOTA; i++) {
        expect_take(B16K, PERCPU_CACHE);
    }
    expect_take(B16K, PERCPU_DEPOT);
    cr_assert_eq(processors_held(here, B16K), QUOTA - 1U);
    cr_assert_eq(PROCESSORS_SLOW(B16K, depot_hits), 1);
    cr_assert_eq(PROCESSORS_SLOW(B16K, withdrawn), QUOTA);
    cr_assert_eq(region_carved(B16K), 2U * QUOTA);
    house_assert();
}

/* A magazine in the depot may have been filled when the quota was larger. When a processor gets this magazine, the
 * slots beyond the present quota go back to the depot. */
Test(percpu, magazine_of_the_depot_is_cut_to_the_quota)
{
    processors_lay();
    unsigned here = processors_pin(0);
    percpu_set_quota(B16K, QUOTA);
    give_beyond_the_quota(here);
    percpu_set_quota(B16K, 3);
    for (unsigned i = 0; i < QUOTA; i++) {
        expect_take(B16K, PERCPU_CACHE);
    }
    expect_take(B16K, PERCPU_DEPOT);
    cr_assert_eq(processors_held(here, B16K), 3U);
    cr_assert_eq(PROCESSORS_SLOW(B16K, withdrawn), QUOTA);
    cr_assert_eq(PROCESSORS_SLOW(B16K, deposited), QUOTA + (QUOTA - 1 - 3));
    house_assert();
    for (unsigned i = 0; i < 3; i++) {
        expect_take(B16K, PERCPU_CACHE);
    }
    expect_take(B16K, PERCPU_DEPOT);
    house_assert();
}

Test(percpu, lower_quota_sends_the_magazine_to_the_depot)
{
    processors_lay();
    unsigned here = processors_pin(0);
    percpu_set_quota(B16K, QUOTA);
    give_beyond_the_quota(here);
    cr_assert_eq(processors_held(here, B16K), QUOTA);
    void *slot = expect_take(B16K, PERCPU_CACHE);
    percpu_set_quota(B16K, 2);
    cr_assert_eq(processors_held(here, B16K), QUOTA - 1U, "nothing changes until a slot is freed");
    cr_assert(processors_give(B16K, slot));
    cr_assert_eq(processors_held(here, B16K), 1U);
    cr_assert_eq(PROCESSORS_SLOW(B16K, deposited), QUOTA + QUOTA - 1);
    house_assert();
}

Test(percpu, quota_of_0_drains)
{
    processors_lay();
    unsigned here = processors_pin(0);
    percpu_set_quota(B16K, QUOTA);
    give_beyond_the_quota(here);
    void *slot = expect_take(B16K, PERCPU_CACHE);
    percpu_set_quota(B16K, 0);
    cr_assert_not(processors_give(B16K, slot));
    cr_assert_eq(processors_held(here, B16K), 0U);
    cr_assert_eq(PROCESSORS_SLOW(B16K, deposited), QUOTA + (QUOTA - 1) + 1);
    house_assert();
    percpu_set_quota(B16K, QUOTA);
    take(B16K, 2 * QUOTA, (void * [2 * QUOTA]){NULL});
    cr_assert_eq(region_carved(B16K), 2U * QUOTA, "all slots lie in the depot or on the stack");
}

Test(percpu, quota_is_at_most_a_magazine)
{
    percpu_set_quota(B16K, 1000);
    cr_assert_eq(percpu_quota(B16K), MAGAZINE_SLOTS);
    percpu_set_quota(B16K, 5);
    cr_assert_eq(percpu_quota(B16K), 5U);
    cr_assert_eq(percpu_quota(B4K), 0U);
}
