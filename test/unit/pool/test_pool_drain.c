/* Tests of pool_drain, which moves the free slots of caches to the stacks and the depot. From there pool_trim can purge
 * the slots, and the statistics count them as free outside of caches. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"

enum { SLOTS = 2 * MAGAZINE_SLOTS, SLEEPERS = 5, EVERYTHING = 1 << 30 };

static void take(unsigned bucket, unsigned count, void **taken)
{
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(bucket, house_plan.size[bucket], NULL);
        CHECK(taken[i] != NULL);
    }
}

static void give(unsigned count, void *const *taken)
{
    for (unsigned i = 0; i < count; i++) {
        house_give(taken[i]);
    }
}

/* Allocates `count` slots and frees them. As many of them as fit there then lie in the thread's magazines. */
static void use(unsigned bucket, unsigned count)
{
    void *taken[SLOTS];
    take(bucket, count, taken);
    give(count, taken);
}

Test(pool_drain, own_cache_is_emptied_and_keeps_its_quota)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        use(bucket, SLOTS);
        cr_assert_eq(house_figures(bucket)->cached, SLOTS, "the slots fill two magazines");
    }
    uint64_t charged = budget_charged();
    pool_drain();
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        cr_assert_eq(house_figures(bucket)->cached, 0);
        cr_assert_eq(house_figures(bucket)->depot, SLOTS);
        cr_assert_eq(cache_quota(cache_mine, bucket), MAGAZINE_SLOTS);
    }
    cr_assert_eq(budget_charged(), charged);
    house_assert();
    use(B16K, SLOTS);
    house_assert();
}

/* All threads but thread 0 fill their two magazines and then sleep; thread 0 has no magazine, and calls pool_drain. All
 * threads allocate before any of them frees, because otherwise they would allocate each other's slots. */
static void sleep_or_drain(unsigned number)
{
    void *taken[SLOTS];
    unsigned count = number > 0 ? SLOTS : 0;
    take(B16K, count, taken);
    crew_meet();
    give(count, taken);
    crew_meet();
    if (number == 0) {
        pool_drain();
        CHECK(house_figures(B16K)->cached == SLEEPERS * MAGAZINE_SLOTS);
        CHECK(house_figures(B16K)->depot == SLEEPERS * MAGAZINE_SLOTS);
        CHECK(pool_retained() == SLEEPERS * MAGAZINE_SLOTS * house_plan.capacity[B16K]);
        house_check();
        pool_drain();
        CHECK(house_figures(B16K)->depot == SLEEPERS * MAGAZINE_SLOTS);
    }
    crew_meet();
}

/* pool_drain takes the public magazine of a sleeping thread, and cannot take its private one. */
Test(pool_drain, public_magazines_of_others_are_taken)
{
    house_lay_default();
    crew_run(SLEEPERS + 1, sleep_or_drain);
    house_assert();
}

Test(pool_drain, retained_memory_is_what_a_trim_gives_back)
{
    house_lay_default();
    cr_assert_eq(pool_retained(), 0);
    use(B256K, 20);
    cr_assert_eq(pool_retained(), 20 * house_plan.capacity[B256K]);
    void *slot = house_take(B256K, 262144, NULL);
    cr_assert_eq(pool_retained(), 19 * house_plan.capacity[B256K]);
    use(B4K, SLOTS);
    pool_drain();
    uint64_t retained = 19 * house_plan.capacity[B256K] + SLOTS * house_plan.capacity[B4K];
    cr_assert_eq(pool_retained(), retained);
    cr_assert_eq(pool_trim(house_plan.stride[B256K]), house_plan.stride[B256K]);
    cr_assert_eq(pool_retained(), retained - house_plan.capacity[B256K]);
    cr_assert_eq(pool_trim(EVERYTHING), retained - house_plan.capacity[B256K]);
    cr_assert_eq(pool_retained(), 0);
    house_give(slot);
    cr_assert_eq(pool_retained(), house_plan.capacity[B256K]);
}

static void leave_thirty(unsigned number)
{
    (void)number;
    use(B128K, 30);
}

static void take_twenty_of_them(unsigned number)
{
    (void)number;
    void *taken[20];
    take(B128K, 20, taken);
    CHECK(pool_retained() == 10 * house_plan.capacity[B128K]);
    house_give(taken[0]);
}

/* If one thread allocates a slot and another one frees it, the counters of both threads' caches change. Only the sum
 * over all caches is the retained memory. */
Test(pool_drain, retained_memory_is_the_sum_over_all_threads)
{
    house_lay_default();
    crew_run(1, leave_thirty);
    crew_run(1, take_twenty_of_them);
    cr_assert_eq(pool_retained(), 11 * house_plan.capacity[B128K]);
    /* resets the pools as the child of a fork does: counters of events begin at 0, and free slots stay free */
    pool_atfork_child_at_once();
    cr_assert_eq(pool_retained(), 11 * house_plan.capacity[B128K]);
}

/* Runs pool_drain in a kind of pool in which threads have no magazines: there all free slots lie on the stacks or in
 * the magazines of processors. Checks that it changes nothing. */
static void expect_no_harm(enum kind kind)
{
    house_pools.kind = kind;
    house_pools.free_list = 1000;
    house_lay_default();
    use(B16K, 100);
    pool_drain();
    house_assert();
    uint64_t stocked = house_figures(B16K)->depot * house_plan.capacity[B16K];
    cr_assert_eq(pool_retained(), stocked);
    cr_assert_eq(pool_trim(EVERYTHING), stocked);
    cr_assert_eq(pool_retained(), 0);
    house_assert();
}

Test(pool_drain, does_no_harm_to_the_stack_alone)
{
    expect_no_harm(KIND_LOCKFREE);
}

Test(pool_drain, does_no_harm_to_bounded_lists)
{
    expect_no_harm(KIND_STANDARD);
}

Test(pool_drain, does_no_harm_to_processors)
{
    expect_no_harm(KIND_CPU);
}
