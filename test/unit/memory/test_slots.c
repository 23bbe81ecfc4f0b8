/* Tests of memory/slots.c, the stacks of free and of purged slots: free slots are used before purged ones, and purged
 * ones before new ones. Each stack is last in, first out. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "memory/slots.h"
#include "support/crew.h"
#include "support/house.h"

enum { BUCKET = B128K, THREADS = 8, ROUNDS = 50000 };

static void expect_taken(enum slots_source wanted, uint32_t number)
{
    enum slots_source source;
    void *slot = slots_pop(BUCKET, &source);
    cr_assert_eq(source, wanted);
    cr_assert_eq(slot, house_slot(BUCKET, number));
}

Test(slots, carves_when_there_is_none)
{
    house_lay_default();
    expect_taken(SLOTS_FROM_CARVED, 0);
    expect_taken(SLOTS_FROM_CARVED, 1);
    cr_assert_eq(region_carved(BUCKET), 2, "slots are carved one at a time");
}

Test(slots, free_come_before_purged_before_carved)
{
    house_lay_default();
    for (uint32_t number = 0; number < 6; number++) {
        expect_taken(SLOTS_FROM_CARVED, number);
    }
    slots_push(BUCKET, house_number(BUCKET, 0));
    slots_push_purged(BUCKET, house_number(BUCKET, 1));
    slots_push(BUCKET, house_number(BUCKET, 2));
    slots_push_purged(BUCKET, house_number(BUCKET, 3));
    expect_taken(SLOTS_FROM_FREE, 2);
    expect_taken(SLOTS_FROM_FREE, 0);
    expect_taken(SLOTS_FROM_PURGED, 3);
    slots_push(BUCKET, house_number(BUCKET, 5));
    expect_taken(SLOTS_FROM_FREE, 5);
    expect_taken(SLOTS_FROM_PURGED, 1);
    expect_taken(SLOTS_FROM_CARVED, 6);
}

Test(slots, pop_of_free_slots_leaves_purged_ones)
{
    enum slots_source source;
    house_lay_default();
    for (int i = 0; i < 3; i++) {
        slots_pop(BUCKET, &source);
    }
    slots_push_purged(BUCKET, house_number(BUCKET, 0));
    cr_assert_eq(slots_pop_free(BUCKET), STACK_EMPTY);
    slots_push(BUCKET, house_number(BUCKET, 1));
    slots_push(BUCKET, house_number(BUCKET, 2));
    cr_assert_eq(slots_pop_free(BUCKET), house_number(BUCKET, 2));
    cr_assert_eq(slots_pop_free(BUCKET), house_number(BUCKET, 1));
    cr_assert_eq(slots_pop_free(BUCKET), STACK_EMPTY);
    expect_taken(SLOTS_FROM_PURGED, 0);
}

Test(slots, buckets_do_not_mix)
{
    enum slots_source source;
    house_lay_default();
    slots_pop(B256K, &source);
    slots_pop(BUCKET, &source);
    slots_push(B256K, house_number(B256K, 0));
    expect_taken(SLOTS_FROM_CARVED, 1);
    cr_assert_eq(slots_pop(B256K, &source), house_slot(B256K, 0));
    cr_assert_eq(source, SLOTS_FROM_FREE);
}

Test(slots, full_range_returns_none)
{
    enum slots_source source;
    house_lay_default();
    uint32_t limit = house_limit(B4M, HOUSE_SHIFT);
    for (uint32_t number = 0; number < limit; number++) {
        cr_assert_eq(slots_pop(B4M, &source), house_slot(B4M, number));
    }
    cr_assert_null(slots_pop(B4M, &source));
    cr_assert_eq(source, SLOTS_FROM_NONE);
    slots_push(B4M, house_number(B4M, limit - 1));
    cr_assert_eq(slots_pop(B4M, &source), house_slot(B4M, limit - 1));
    cr_assert_null(slots_pop(B4M, &source));
}

Test(slots, reset_forgets_all)
{
    enum slots_source source;
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        slots_pop(bucket, &source);
        slots_pop(bucket, &source);
        slots_push(bucket, house_number(bucket, 0));
        slots_push_purged(bucket, house_number(bucket, 1));
    }
    slots_reset();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(slots_pop(bucket, &source), house_slot(bucket, 2));
        cr_assert_eq(source, SLOTS_FROM_CARVED);
    }
}

static _Atomic unsigned holders[HOUSE_PAGES];

/* Runs as a thread: pops slots, and pushes them onto the stack of free and of purged slots in turn. So a pop finds
 * slots on both stacks, on one, or on none. */
static void take_and_give(unsigned number)
{
    (void)number;
    for (unsigned round = 0; round < ROUNDS; round++) {
        enum slots_source source;
        void *slot = slots_pop(BUCKET, &source);
        if (!CHECK(slot != NULL)) {
            return;
        }
        uint32_t at = region_number(slot);
        CHECK(atomic_fetch_add(&holders[at], 1) == 0);
        CHECK(atomic_fetch_sub(&holders[at], 1) == 1);
        if (round % 2 == 0) {
            slots_push(BUCKET, at);
        } else {
            slots_push_purged(BUCKET, at);
        }
    }
}

Test(slots, threads_never_hold_the_same_slot)
{
    house_lay_default();
    crew_run(THREADS, take_and_give);
    cr_assert_leq(region_carved(BUCKET), (uint32_t)THREADS, "no more slots were carved than were held at once");
    enum slots_source source;
    for (uint32_t left = region_carved(BUCKET); left > 0; left--) {
        cr_assert_not_null(slots_pop(BUCKET, &source));
        cr_assert_neq(source, SLOTS_FROM_CARVED, "%u slots are lost", left);
    }
    slots_pop(BUCKET, &source);
    cr_assert_eq(source, SLOTS_FROM_CARVED);
}
