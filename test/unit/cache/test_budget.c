/* Tests of cache/budget.c: the sum of the charges is exact even if several threads charge at once, and the budget says
 * how much free memory exceeds a limit. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/budget.h"
#include "support/crew.h"
#include "support/steps.h"

enum { THREADS = 8, LIMIT = 4000037, ROUNDS = 50000 };

Test(budget, charges_to_the_byte)
{
    budget_open(100, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
    cr_assert_eq(budget_charged(), 0);
    cr_assert_eq(budget_left(), 100);
    cr_assert_not(budget_charge(101));
    cr_assert_eq(budget_charged(), 0, "a charge is made as a whole or not at all");
    cr_assert(budget_charge(60));
    cr_assert_not(budget_charge(41));
    cr_assert_eq(budget_charged(), 60);
    cr_assert(budget_charge(40));
    cr_assert_eq(budget_left(), 0);
    cr_assert_not(budget_charge(1));
    cr_assert(budget_charge(0));
    cr_assert_eq(budget_charged(), 100);
}

Test(budget, charge_does_not_wrap)
{
    budget_open(100, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
    cr_assert(budget_charge(60));
    cr_assert_not(budget_charge(UINT64_MAX));
    cr_assert_not(budget_charge(UINT64_MAX - 59));
    cr_assert_not(budget_charge(UINT64_MAX - 19));
    cr_assert_eq(budget_charged(), 60);
}

Test(budget, return_makes_room)
{
    budget_open(100, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
    cr_assert(budget_charge(100));
    budget_return(30);
    cr_assert_eq(budget_charged(), 70);
    cr_assert_eq(budget_left(), 30);
    cr_assert_not(budget_charge(31));
    cr_assert(budget_charge(30));
    budget_return(100);
    cr_assert_eq(budget_charged(), 0);
}

Test(budget, nothing_fits_into_an_empty_budget)
{
    cr_assert_not(budget_charge(1), "there is no budget before start-up");
    budget_open(0, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
    cr_assert_not(budget_charge(1));
    cr_assert(budget_charge(0));
}

/* If all free memory is limited, the caches may not hold more than this limit, even if their own limit is larger. */
Test(budget, caches_are_limited_by_the_retain_limit)
{
    budget_open(100, 70, BUDGET_UNLIMITED);
    cr_assert_eq(budget_left(), 70);
    cr_assert_not(budget_charge(71));
    cr_assert(budget_charge(70));
    budget_open(70, 100, BUDGET_UNLIMITED);
    cr_assert_eq(budget_charged(), 0, "a budget that is opened again begins at 0");
    cr_assert_not(budget_charge(71));
    cr_assert(budget_charge(70));
}

Test(budget, retained_memory_beyond_what_charges_leave_is_excess)
{
    budget_open(60, 100, BUDGET_UNLIMITED);
    cr_assert(budget_limits_retained());
    cr_assert_eq(budget_excess(), 0);
    budget_retain(100);
    cr_assert_eq(budget_excess(), 0);
    budget_retain(1);
    cr_assert_eq(budget_excess(), 1);
    cr_assert(budget_charge(60), "retained memory does not count as a charge of the caches");
    cr_assert_eq(budget_excess(), 61);
    budget_retain(-70);
    cr_assert_eq(budget_excess(), 0);
    budget_retain(12);
    cr_assert_eq(budget_excess(), 3);
    budget_return(60);
    cr_assert_eq(budget_excess(), 0);
}

Test(budget, limit_of_0_retains_nothing)
{
    budget_open(60, 0, BUDGET_UNLIMITED);
    cr_assert_not(budget_charge(1));
    budget_retain(5);
    cr_assert_eq(budget_excess(), 5);
}

/* One thread may subtract a slot from the count of retained memory before another thread has added this slot. The count
 * is then below zero for a moment, and is read as zero. */
Test(budget, retained_memory_below_zero_is_none)
{
    budget_open(0, 100, BUDGET_UNLIMITED);
    budget_retain(-500);
    cr_assert_eq(budget_excess(), 0);
    budget_retain(500);
    budget_retain(101);
    cr_assert_eq(budget_excess(), 1);
}

Test(budget, retained_memory_without_a_limit_is_not_counted)
{
    budget_open(100, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
    cr_assert_not(budget_limits_retained());
    budget_retain(1 << 20);
    cr_assert_eq(atomic_load(&budget.retained), 0);
    cr_assert_eq(budget_excess(), 0);
}

/* A running program can lower SOCKMALLOC_CACHE and SOCKMALLOC_RETAIN below what is charged and retained. The charges
 * and the retained memory stay, and what exceeds the new limits is reported. */
Test(budget, limits_change_while_counts_stay)
{
    budget_open(100, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
    budget_count_retained();
    cr_assert(budget_charge(100));
    budget_retain(50);
    cr_assert_not(budget_is_overdrawn());
    budget_limit(60, 120, BUDGET_UNLIMITED);
    cr_assert(budget_is_overdrawn());
    cr_assert_eq(budget_left(), 0);
    cr_assert_not(budget_charge(1));
    cr_assert_eq(budget_excess(), 30);
    budget_limit(200, 70, 20);
    cr_assert_eq(budget_excess(), 50,
                 "all retained bytes are excess, because the charges of the caches alone exceed the limit");
    cr_assert_eq(budget.cache_limit, 70);
    budget_return(100);
    cr_assert_eq(budget_left(), 70);
    cr_assert_eq(budget_excess(), 0);
    budget_retain_large(50);
    cr_assert_eq(budget_excess_large(), 30);
}

/* budget_reset, which the child of a fork calls, sets the charged bytes and the retained memory to its arguments, and
 * leaves the limits as they are. */
Test(budget, reset_sets_both)
{
    budget_open(100, 200, BUDGET_UNLIMITED);
    cr_assert(budget_charge(100));
    budget_retain(300);
    budget_reset(40, 170, 0);
    cr_assert_eq(budget_charged(), 40);
    cr_assert_eq(budget_left(), 60);
    cr_assert_eq(budget_excess(), 10);
    cr_assert_not(budget_charge(61));
    cr_assert(budget_charge(60));
}

/* how many of the two charges were accepted */
static unsigned charges;

static void charge_more_than_half(void)
{
    charges += budget_charge(60);
}

static void charge_more_than_half_between(void *context)
{
    (void)context;
    charge_more_than_half();
}

Test(budget, one_of_two_charges_is_refused_whatever_their_order)
{
    unsigned at = 0;
    bool stopped = true;
    steps_need();
    while (stopped) {
        budget_open(100, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
        charges = 0;
        stopped = steps_run(++at, charge_more_than_half, charge_more_than_half_between);
        cr_assert_eq(charges, 1, "after %u instructions", at);
        cr_assert_eq(budget_charged(), 60, "after %u instructions", at);
    }
    cr_assert_gt(at, 10U);
}

static void give_one_of_each_back(void)
{
    budget_return(1);
    budget_retain(-1);
}

static void get_ten_of_each(void *context)
{
    (void)context;
    CHECK(budget_charge(10));
    budget_retain(10);
}

Test(budget, charges_and_returns_add_up_whatever_their_order)
{
    unsigned at = 0;
    bool stopped = true;
    steps_need();
    while (stopped) {
        budget_open(100, 100, BUDGET_UNLIMITED);
        budget_reset(50, 50, 0);
        stopped = steps_run(++at, give_one_of_each_back, get_ten_of_each);
        uint64_t sum = stopped ? 59 : 49;
        cr_assert_eq(budget_charged(), sum, "after %u instructions", at);
        cr_assert_eq(atomic_load(&budget.retained), (int64_t)sum, "after %u instructions", at);
    }
    cr_assert_gt(at, 5U);
}

/* how many bytes each thread has charged and not returned */
static uint64_t granted[THREADS];

static void charge_single_bytes(unsigned number)
{
    while (budget_charge(1)) {
        granted[number]++;
    }
}

Test(budget, threads_charge_to_the_last_byte)
{
    uint64_t sum = 0;
    budget_open(LIMIT, BUDGET_UNLIMITED, BUDGET_UNLIMITED);
    crew_run(THREADS, charge_single_bytes);
    for (unsigned i = 0; i < THREADS; i++) {
        sum += granted[i];
    }
    cr_assert_eq(sum, LIMIT);
    cr_assert_eq(budget_charged(), LIMIT);
}

/* Runs as a thread: charges bytes and returns them later. The threads together try to charge more than LIMIT bytes, so
 * many charges are refused. */
static void charge_and_return(unsigned number)
{
    uint64_t random = number + 1;
    uint64_t held = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t bytes = crew_random(&random) % (LIMIT / 4);
        CHECK(budget_charged() <= LIMIT);
        if (budget_charge(bytes)) {
            held += bytes;
            budget_retain((int64_t)bytes);
        }
        CHECK(held <= LIMIT);
        if (crew_random(&random) % 2 == 0) {
            budget_return(held);
            budget_retain(-(int64_t)held);
            held = 0;
        }
    }
    granted[number] = held;
}

Test(budget, threads_stay_within_the_limit)
{
    uint64_t sum = 0;
    budget_open(LIMIT, LIMIT, BUDGET_UNLIMITED);
    crew_run(THREADS, charge_and_return);
    for (unsigned i = 0; i < THREADS; i++) {
        sum += granted[i];
    }
    cr_assert_eq(budget_charged(), sum);
    cr_assert_eq(atomic_load(&budget.retained), (int64_t)sum);
}

/* SOCKMALLOC_LARGE_RETAIN limits the retained memory of the large pool, even if the retained memory of all buckets has
 * no limit. */
Test(budget, large_memory_beyond_its_limit_is_excess)
{
    budget_open(60, BUDGET_UNLIMITED, 100);
    cr_assert(budget_limits_retained());
    budget_retain(500);
    cr_assert_eq(budget_excess(), 0);
    cr_assert_eq(budget_excess_large(), 0);
    budget_retain_large(100);
    cr_assert_eq(budget_excess_large(), 0);
    budget_retain_large(7);
    cr_assert_eq(budget_excess_large(), 7);
    budget_retain_large(-200);
    cr_assert_eq(budget_excess_large(), 0);
    budget_reset(0, 500, 130);
    cr_assert_eq(budget_excess_large(), 30);
    cr_assert_eq(budget_excess(), 0);
}
