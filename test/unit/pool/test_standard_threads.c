/* Tests of pool/standard.c with signal handlers, threads and fork children: the list always has as many slots as its
 * count says, and more than its bound only after the kernel has refused to purge slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "pool/standard.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"
#include "support/steps.h"

enum { BUCKET = B16K, BOUND = 4, THREADS = 8, ROUNDS = 20000 };

static void lay(void)
{
    void *carved[BOUND + 1];
    os_failing_never();
    house_lay_default();
    standard_open(BOUND);
    cr_assert_eq(region_carve(BUCKET, BOUND + 1, carved), BOUND + 1);
}

static uint32_t free_slots_of(void)
{
    uint32_t count = 0;
    while (slots_pop_free(BUCKET) != STACK_EMPTY) {
        count++;
    }
    return count;
}

/* Makes the free list consist of the first `count` slots of the bucket. */
static void begin_with(uint32_t count)
{
    slots_reset();
    for (uint32_t number = 0; number < count; number++) {
        slots_push(BUCKET, house_number(BUCKET, number));
    }
    standard_reset(BUCKET, count);
}

static void *in_hand;

static void take(void)
{
    enum slots_source source;
    in_hand = standard_take(BUCKET, &source);
}

static void give(void)
{
    standard_give(BUCKET, region_number(in_hand));
}

/* The slot that a signal handler has allocated or will free. The handler interrupts the test's thread in the middle of
 * a change of the list, and changes the list too. */
static void *in_other_hand;

static void take_between(void *context)
{
    enum slots_source source;
    (void)context;
    in_other_hand = standard_take(BUCKET, &source);
    CHECK(in_other_hand != NULL);
}

static void give_between(void *context)
{
    (void)context;
    if (in_other_hand != NULL) {
        standard_give(BUCKET, region_number(in_other_hand));
        in_other_hand = NULL;
    }
}

/*
 * Interrupts an allocation and then a free, each by a signal handler after `at` instructions. One of the two handlers
 * allocates a slot, and the other handler frees a slot. If `take_first` is true, the handler in the allocation
 * allocates; otherwise the handler in the free allocates. At first the list has `kept` slots. Returns false if both the
 * allocation and the free have fewer than `at` instructions.
 */
static bool stop_both(unsigned at, uint32_t kept, bool take_first)
{
    begin_with(kept);
    in_other_hand = take_first ? NULL : house_slot(BUCKET, BOUND);
    bool stopped_taking = steps_run(at, take, take_first ? take_between : give_between);
    bool stopped_giving = steps_run(at, give, take_first ? give_between : take_between);
    cr_assert_null(crew_fault(), "after %u instructions: %s", at, crew_fault());
    uint32_t count = standard_count(BUCKET);
    cr_assert_leq(count, (uint32_t)BOUND);
    cr_assert_eq(count, free_slots_of(), "after %u instructions", at);
    return stopped_taking || stopped_giving;
}

/* Runs stop_both for each instruction in turn, with a list that is empty, half full, or full at first. */
Test(standard_threads, handler_may_come_after_any_instruction, .timeout = 60)
{
    lay();
    steps_need();
    for (uint32_t kept = 0; kept <= BOUND; kept += BOUND / 2) {
        for (unsigned order = 0; order < 2; order++) {
            unsigned at = 1;
            while (stop_both(at, kept, order == 0)) {
                at++;
            }
            cr_assert_gt(at, 50U);
        }
    }
}

/* --- another thread takes a slot just after its pages were purged --- */

static uint32_t given_slot;
static uint32_t taken_between;

static void give_to_a_full_list(void)
{
    standard_give(BUCKET, given_slot);
}

/* Runs after any one instruction of give_to_a_full_list, as another thread might: allocates the slot if it is on the
 * stack of purged slots already. */
static void take_purged(void *context)
{
    (void)context;
    taken_between = slots_pop_purged(BUCKET);
    if (taken_between != STACK_EMPTY) {
        region_set_meta(taken_between, slot_meta_of(SLOT_LIVE, BUCKET));
    }
}

Test(standard_threads, slot_may_be_allocated_while_it_is_purged, .timeout = 60)
{
    bool stopped = true;
    unsigned takes = 0;
    lay();
    steps_need();
    standard_open(0);
    given_slot = house_number(BUCKET, 0);
    for (unsigned at = 1; stopped; at++) {
        region_set_meta(given_slot, slot_meta_of(SLOT_FREE, BUCKET));
        taken_between = STACK_EMPTY;
        stopped = steps_run(at, give_to_a_full_list, take_purged);
        if (taken_between != STACK_EMPTY) {
            cr_assert_eq(slot_meta_state(region_meta(given_slot)), SLOT_LIVE, "after %u instructions", at);
            takes++;
        } else {
            cr_assert_eq(slots_pop_purged(BUCKET), given_slot);
        }
    }
    cr_assert_gt(takes, 0U);
}

/* --- one thread is in the middle of an allocation, because the kernel takes long to answer --- */

static pthread_t taker;
static atomic_bool inside;
static atomic_bool go_on;

static void dawdle(void)
{
    inside = true;
    while (!go_on) {
        sched_yield();
    }
}

static void *take_slowly(void *argument)
{
    enum slots_source source;
    (void)argument;
    while (!inside) {
        CHECK(standard_take(BUCKET, &source) != NULL);
        CHECK(source == SLOTS_FROM_CARVED);
    }
    return NULL;
}

static void begin_to_take(void)
{
    os_failing_meanwhile(dawdle);
    cr_assert_eq(pthread_create(&taker, NULL, take_slowly, NULL), 0);
    while (!inside) {
        sched_yield();
    }
}

static void end_taking(void)
{
    go_on = true;
    cr_assert_eq(pthread_join(taker, NULL), 0);
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

static pthread_t giver;
static _Atomic int giver_number;
static atomic_bool given;

static void *give_slot(void *slot)
{
    giver_number = gettid();
    CHECK(standard_give(BUCKET, region_number(slot)) == STANDARD_KEPT);
    given = true;
    return NULL;
}

Test(standard_threads, threads_wait_for_each_other, .timeout = 120)
{
    lay();
    void *slot = house_slot(BUCKET, 0);
    begin_to_take();
    cr_assert_eq(pthread_create(&giver, NULL, give_slot, slot), 0);
    while (!given && !crew_is_asleep(giver_number)) {
        sched_yield();
    }
    cr_assert_not(given, "the other thread did not wait for the list");
    end_taking();
    cr_assert_eq(pthread_join(giver, NULL), 0);
    cr_assert_eq(standard_count(BUCKET), 1);
}

/* Runs in a child of a fork: puts one slot on the list, and sets the count of each list anew, as the library does in
 * such a child. */
static void take_in_child(void *argument)
{
    enum slots_source source;
    (void)argument;
    slots_reset();
    slots_push(BUCKET, house_number(BUCKET, 2));
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        standard_reset(bucket, bucket == BUCKET);
    }
    CHECK(standard_count(BUCKET) == 1);
    CHECK(standard_take(BUCKET, &source) == house_slot(BUCKET, 2));
    CHECK(source == SLOTS_FROM_FREE);
    CHECK(standard_count(BUCKET) == 0);
    CHECK(standard_give(BUCKET, house_number(BUCKET, 2)) == STANDARD_KEPT);
}

/* At the fork another thread holds the list's mutex. That thread does not exist in the child, so the child must not
 * wait for the mutex. */
Test(standard_threads, child_of_a_fork_does_not_wait)
{
    lay();
    begin_to_take();
    capture_clean(take_in_child, NULL);
    end_taking();
}

/* --- several threads --- */

static _Atomic unsigned holders[HOUSE_PAGES];

/* Checks that no other thread holds the slot while this thread holds it. */
static void hold(uint32_t number, bool for_long)
{
    CHECK(atomic_fetch_add(&holders[number], 1) == 0);
    if (for_long) {
        sched_yield();
    }
    CHECK(atomic_fetch_sub(&holders[number], 1) == 1);
}

static void take_give_and_withdraw(unsigned thread)
{
    uint64_t random = thread + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        enum slots_source source;
        uint32_t number = STACK_EMPTY;
        bool for_long = crew_random(&random) % 8 == 0;
        if (crew_random(&random) % 4 == 0) {
            number = standard_withdraw(BUCKET, false);
        }
        if (number != STACK_EMPTY) {
            hold(number, for_long);
            standard_restore(BUCKET, number, decay_young());
            continue;
        }
        void *slot = standard_take(BUCKET, &source);
        if (!CHECK(slot != NULL)) {
            return;
        }
        number = region_number(slot);
        hold(number, for_long);
        standard_give(BUCKET, number);
    }
}

/* Checks that each carved slot is on the list or purged, and that the list has as many slots as its count says, at most
 * `longest`. */
static void expect_whole(uint32_t longest)
{
    uint32_t carved = region_carved(BUCKET);
    uint32_t count = standard_count(BUCKET);
    cr_assert_leq(carved, (uint32_t)THREADS, "each thread holds one slot at a time, so no more are needed");
    cr_assert_leq(count, longest);
    cr_assert_eq(count, free_slots_of());
    for (uint32_t left = carved - count; left > 0; left--) {
        enum slots_source source;
        cr_assert_not_null(slots_pop(BUCKET, &source));
        cr_assert_eq(source, SLOTS_FROM_PURGED, "%u slots are lost", left);
    }
}

Test(standard_threads, no_slot_has_two_owners_and_none_is_lost, .timeout = 60)
{
    lay();
    begin_with(BOUND + 1);
    crew_run(THREADS, take_give_and_withdraw);
    /* some slots were withdrawn from the list and then put on it again, as after a refused purge; so the list may now
     * be longer than its bound */
    expect_whole(THREADS);
}

Test(standard_threads, kernel_refuses_every_third_purge, .timeout = 60)
{
    lay();
    standard_open(1);
    begin_with(BOUND + 1);
    os_failing_every(3);
    crew_run(THREADS, take_give_and_withdraw);
    cr_assert_gt(os_failing_refusals(), 0U);
    expect_whole(THREADS);
}
