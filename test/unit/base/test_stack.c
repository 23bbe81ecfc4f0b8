/* Tests of base/stack.h, the lock-free stack of numbers, by one thread and by several: no item is lost, and none is
 * popped twice. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <sys/mman.h>
#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>
#endif

#include "base/stack.h"
#include "support/alone.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/steps.h"

enum { ITEMS = 4096, THREADS = 8, ROUNDS = 100000 };

static struct stack stack;
static stack_link links[ITEMS];
static _Atomic unsigned owners[ITEMS]; /* for each item: how many threads have popped it and not yet pushed it */
static _Atomic unsigned pops[ITEMS];   /* for each item: how often it was popped */

static uint64_t tag(void)
{
    return atomic_load(&stack.head) >> STACK_NUMBER_BITS;
}

static void last_in_is_first_out(void *argument)
{
    (void)argument;
    CHECK(stack_is_empty(&stack));
    CHECK(stack_pop(&stack, links, 0) == STACK_EMPTY);
    for (uint32_t item = 0; item < ITEMS; item++) {
        stack_push(&stack, links, 0, item);
        CHECK(!stack_is_empty(&stack));
    }
    for (uint32_t item = ITEMS; item-- > 0;) {
        CHECK(stack_pop(&stack, links, 0) == item);
    }
    CHECK(stack_pop(&stack, links, 0) == STACK_EMPTY);
    CHECK(stack_is_empty(&stack));
}

Test(stack, last_in_is_first_out)
{
    last_in_is_first_out(NULL);
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

#if HAVE_SYS_SINGLE_THREADED_H
static void work_with_one_thread(void *argument)
{
    alone_set(true);
    last_in_is_first_out(argument);
    uint64_t stale = atomic_load(&stack.head);
    stack_push(&stack, links, 0, 1);
    uint64_t present = atomic_load(&stack.head);
    CHECK(!stack_swap(&stack, &stale, 7));
    CHECK(stale == present); /* the failed compare-and-swap has found another head, and has stored it in `stale` */
    CHECK(atomic_load(&stack.head) == present);
    CHECK(stack_swap(&stack, &stale, 7));
    CHECK(atomic_load(&stack.head) == 7);
}

/*
 * On x86-64, in a process of one thread, the stack uses a compare-and-swap without the lock prefix. That swap must have
 * the same results as the swap with the prefix. The test runs in the child of a fork, which has one thread; Criterion's
 * own process has several.
 */
Test(stack, single_threaded_swap_does_the_same)
{
    capture_clean(work_with_one_thread, NULL);
}
#endif

Test(stack, numbers_go_up_to_the_limit)
{
    size_t size = sizeof(stack_link) * STACK_NUMBERS;
    stack_link *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq((void *)all, MAP_FAILED);
    stack_push(&stack, all, 0, STACK_NUMBERS - 1);
    stack_push(&stack, all, 0, 0);
    stack_push(&stack, all, 0, STACK_NUMBERS - 2);
    cr_assert_eq(stack_pop(&stack, all, 0), STACK_NUMBERS - 2);
    cr_assert_eq(stack_pop(&stack, all, 0), 0);
    cr_assert_eq(stack_pop(&stack, all, 0), STACK_NUMBERS - 1);
    cr_assert_eq(stack_pop(&stack, all, 0), STACK_EMPTY);
}

Test(stack, tag_advances_with_every_removal)
{
    stack_push(&stack, links, 0, 0);
    stack_pop(&stack, links, 0);
    uint64_t before = tag();
    cr_assert_neq(before, 0, "the tag must not be 0, because a push that cleared it would go unnoticed");
    for (uint32_t item = 0; item < 100; item++) {
        stack_push(&stack, links, 0, item);
        cr_assert_eq(tag(), before, "a push leaves the tag");
    }
    for (uint64_t removals = 1; removals <= 100; removals++) {
        stack_pop(&stack, links, 0);
        cr_assert_eq(tag(), before + removals);
    }
    stack_pop(&stack, links, 0);
    cr_assert_eq(tag(), before + 100, "nothing was popped, so the tag stays");
}

Test(stack, tag_is_at_least_40_bits_wide)
{
    cr_assert_leq((int)STACK_NUMBER_BITS, 64 - 40);
}

/* The tag in the stack's head grows with each pop, and is 0 again after its largest value. This wrap must not change
 * the item's number, which lies beside the tag in the same word. */
Test(stack, tag_wraps_round)
{
    stack_push(&stack, links, 0, 3);
    stack_push(&stack, links, 0, 5);
    atomic_fetch_or(&stack.head, ~(uint64_t)STACK_NUMBERS);
    cr_assert_eq(stack_pop(&stack, links, 0), 5);
    cr_assert_eq(tag(), 0);
    cr_assert_eq(stack_pop(&stack, links, 0), 3);
    cr_assert_eq(stack_pop(&stack, links, 0), STACK_EMPTY);
}

/*
 * Acts as a thread that was suspended in the middle of a pop, after it had read the head of the stack. Meanwhile the
 * top item was popped and pushed again, and another item lies below it now. The compare-and-swap of the suspended pop
 * must fail, although the top item is the same, because each pop has changed the tag.
 */
Test(stack, stale_swap_fails)
{
    stack_push(&stack, links, 0, 1);
    stack_push(&stack, links, 0, 2);
    stack_push(&stack, links, 0, 3);
    uint64_t seen = atomic_load(&stack.head);
    uint64_t stale = (seen & ~(uint64_t)STACK_NUMBERS) | (2 + 1);
    stack_pop(&stack, links, 0);
    stack_pop(&stack, links, 0);
    stack_push(&stack, links, 0, 3);
    cr_assert_eq(stack_top(atomic_load(&stack.head)), stack_top(seen), "the top item is the same");
    /* tries many times, because a weak compare-and-swap may also fail without a reason */
    for (int i = 0; i < 100; i++) {
        uint64_t expected = seen;
        cr_assert_not(stack_swap(&stack, &expected, stale));
    }
    cr_assert_eq(stack_pop(&stack, links, 0), 3);
    cr_assert_eq(stack_pop(&stack, links, 0), 1);
}

/* --- another thread changes the stack in the middle of an operation --- */

/* the item that the interrupted pop has returned, or STACK_EMPTY */
static uint32_t popped;
/* the item that was popped in the middle of the interrupted operation and not pushed again, or STACK_EMPTY */
static uint32_t popped_between;

static void push_third(void)
{
    stack_push(&stack, links, 0, 3);
}

static void pop_top(void)
{
    popped = stack_pop(&stack, links, 0);
}

static void pop_between(void *context)
{
    (void)context;
    popped_between = stack_pop(&stack, links, 0);
}

/* Runs within another pop: pops the top item and the item below it, and pushes the former top item back before the
 * other. So the two items have changed places. */
static void exchange_between(void *context)
{
    (void)context;
    popped_between = stack_pop(&stack, links, 0);
    uint32_t below = stack_pop(&stack, links, 0);
    stack_push(&stack, links, 0, popped_between);
    /* `below` is STACK_EMPTY if the stack had only one item left, because the interrupted pop had already removed the
     * other */
    if (below != STACK_EMPTY) {
        stack_push(&stack, links, 0, below);
    }
    popped_between = STACK_EMPTY;
}

/* Checks that each of the items 1 to `count` is in exactly one place: on the stack, or popped by one of the threads. */
static void expect_each_once(uint32_t count, unsigned at)
{
    unsigned seen[4] = {0};
    for (uint32_t item = popped; item != STACK_EMPTY; item = stack_pop(&stack, links, 0)) {
        cr_assert(item > 0 && item <= count, "after %u instructions", at);
        seen[item]++;
    }
    if (popped_between != STACK_EMPTY) {
        seen[popped_between]++;
    }
    for (uint32_t item = 1; item <= count; item++) {
        cr_assert_eq(seen[item], 1, "item %u after %u instructions", item, at);
    }
}

/* Runs `work` on a stack of the items 1 and 2 again and again, and interrupts it by `between` after one instruction,
 * then after two, and so on. Checks each time that no item is lost or popped twice. */
static void expect_whole_after_any_step(steps_work *work, steps_between *between, uint32_t count)
{
    bool stopped = true;
    for (unsigned at = 1; stopped; at++) {
        stack_push(&stack, links, 0, 1);
        stack_push(&stack, links, 0, 2);
        popped = STACK_EMPTY;
        popped_between = STACK_EMPTY;
        stopped = steps_run(at, work, between);
        popped = popped != STACK_EMPTY ? popped : stack_pop(&stack, links, 0);
        expect_each_once(count, at);
    }
}

Test(stack, another_thread_may_pop_after_any_step_of_a_push, .timeout = 60)
{
    steps_need();
    expect_whole_after_any_step(push_third, pop_between, 3);
}

Test(stack, another_thread_may_pop_after_any_step_of_a_pop, .timeout = 60)
{
    steps_need();
    expect_whole_after_any_step(pop_top, pop_between, 2);
}

Test(stack, items_may_change_places_after_any_step_of_a_pop, .timeout = 60)
{
    steps_need();
    expect_whole_after_any_step(pop_top, exchange_between, 2);
}

Test(stack, reset_forgets_all)
{
    stack_push(&stack, links, 0, 1);
    stack_pop(&stack, links, 0);
    stack_push(&stack, links, 0, 2);
    uint64_t before = tag();
    stack_reset(&stack);
    cr_assert_eq(tag(), before + 1, "the tag advances, so that an interrupted operation begins again");
    cr_assert(stack_is_empty(&stack));
    cr_assert_eq(stack_pop(&stack, links, 0), STACK_EMPTY);
    stack_push(&stack, links, 0, 2);
    cr_assert_eq(stack_pop(&stack, links, 0), 2);
}

static void push_own_share(unsigned number)
{
    for (uint32_t item = number; item < ITEMS; item += THREADS) {
        stack_push(&stack, links, 0, item);
    }
}

static void pop_all(unsigned number)
{
    (void)number;
    uint32_t item;
    while ((item = stack_pop(&stack, links, 0)) != STACK_EMPTY) {
        if (!CHECK(item < ITEMS)) {
            return;
        }
        atomic_fetch_add(&pops[item], 1);
    }
}

static void expect_each_popped_once(void)
{
    for (uint32_t item = 0; item < ITEMS; item++) {
        cr_assert_eq(pops[item], 1, "item %u was popped %u times", item, pops[item]);
    }
}

Test(stack, concurrent_pushes_lose_nothing)
{
    crew_run(THREADS, push_own_share);
    pop_all(0);
    expect_each_popped_once();
}

Test(stack, concurrent_pops_return_no_item_twice)
{
    push_own_share(0);
    for (unsigned number = 1; number < THREADS; number++) {
        push_own_share(number);
    }
    uint64_t before = tag();
    crew_run(THREADS, pop_all);
    expect_each_popped_once();
    cr_assert_eq(tag(), before + ITEMS);
}

static void hold(uint32_t item)
{
    CHECK(atomic_fetch_add(&owners[item], 1) == 0);
}

static void let_go(uint32_t item)
{
    CHECK(atomic_fetch_sub(&owners[item], 1) == 1);
    stack_push(&stack, links, 0, item);
}

/* Runs as a thread: pops the top item and the item below it, and pushes the former top item back before the other. So
 * for a moment the top item is the same as at first, but another item lies below it. This is called the ABA case. */
static void pop_and_push(unsigned number)
{
    (void)number;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t first = stack_pop(&stack, links, 0);
        if (first == STACK_EMPTY) {
            continue;
        }
        hold(first);
        uint32_t second = stack_pop(&stack, links, 0);
        if (second != STACK_EMPTY) {
            hold(second);
        }
        let_go(first);
        if (second != STACK_EMPTY) {
            let_go(second);
        }
    }
}

static void run_pairs(uint32_t items)
{
    for (uint32_t item = 0; item < items; item++) {
        stack_push(&stack, links, 0, item);
    }
    crew_run(THREADS, pop_and_push);
    for (uint32_t item = 0; item < items; item++) {
        cr_assert_eq(owners[item], 0);
    }
    for (uint32_t left = items; left > 0; left--) {
        uint32_t item = stack_pop(&stack, links, 0);
        cr_assert_lt(item, items, "%u items are lost", left);
        cr_assert_eq(pops[item]++, 0, "item %u lies in the stack twice", item);
    }
    cr_assert_eq(stack_pop(&stack, links, 0), STACK_EMPTY);
}

/* The stack has only twice as many items as threads, so that the threads collide all the time. Without the tag in the
 * stack's head this test would fail at once. */
Test(stack, pairs_over_few_items)
{
    run_pairs(2 * THREADS);
}

Test(stack, pairs_over_many_items)
{
    run_pairs(ITEMS);
}
