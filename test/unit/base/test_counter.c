/* Tests of base/counter.h: small and large additions to a counter, by one thread while others read, and by several
 * threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "base/counter.h"
#include "support/crew.h"
#include "support/steps.h"

enum { THREADS = 4, ROUNDS = 8000000 };

static struct counter counter;

Test(counter, adds)
{
    cr_assert_eq(counter_read(&counter), 0);
    counter_add(&counter, 1);
    counter_add(&counter, 16390);
    counter_add(&counter, 0);
    cr_assert_eq(counter_read(&counter), 16391);
    counter_add_shared(&counter, 9);
    cr_assert_eq(counter_read(&counter), 16400);
    counter_reset(&counter);
    cr_assert_eq(counter_read(&counter), 0);
}

/* The add instruction of x86-64 can only hold a constant of 31 bits, so for larger constants the compiler loads a
 * register first. The sum must be right in both cases. */
Test(counter, adds_constants_wider_than_an_instruction_takes)
{
    counter_add(&counter, UINT64_C(0x7fffffff));
    cr_assert_eq(counter_read(&counter), UINT64_C(0x7fffffff));
    counter_add(&counter, UINT64_C(0x80000000));
    cr_assert_eq(counter_read(&counter), UINT64_C(0xffffffff));
    counter_add(&counter, UINT64_C(0xffffffff));
    cr_assert_eq(counter_read(&counter), UINT64_C(0x1fffffffe));
    counter_add(&counter, UINT64_C(0x123456789abcdef0));
    cr_assert_eq(counter_read(&counter), UINT64_C(0x123456789abcdef0) + UINT64_C(0x1fffffffe));
}

Test(counter, subtracts_by_adding_the_complement)
{
    counter_add(&counter, 5);
    counter_add(&counter, UINT64_MAX);
    cr_assert_eq(counter_read(&counter), 4);
}

Test(counter, steps_by_one_and_reports_zero)
{
    counter_add(&counter, 0 - UINT64_C(3));
    cr_assert_not(counter_step(&counter));
    cr_assert_not(counter_step(&counter));
    cr_assert(counter_step(&counter));
    cr_assert_eq(counter_read(&counter), 0);
    cr_assert_not(counter_step(&counter));
    cr_assert_eq(counter_read(&counter), 1);
}

static void add_one_to_all(void)
{
    counter_add(&counter, 1);
    counter_step(&counter);
    counter_add_shared(&counter, 1);
}

static void add_ten_to_all(void *context)
{
    (void)context;
    counter_add(&counter, 10);
    counter_step(&counter);
    counter_add_shared(&counter, 10);
}

/* A signal handler adds after each instruction of counter_add, counter_step and counter_add_shared in turn. No addition
 * may be lost: the interrupted functions add 3 together, and the handler adds 21. */
Test(counter, handler_may_add_after_any_instruction)
{
    unsigned at = 0;
    bool stopped = true;
    steps_need();
    while (stopped) {
        counter_reset(&counter);
        stopped = steps_run(++at, add_one_to_all, add_ten_to_all);
        cr_assert_eq(counter_read(&counter), stopped ? 24U : 3U, "after %u instructions", at);
    }
    cr_assert_gt(at, 3U);
}

/* Runs as one of several threads. Each thread adds so many times that the kernel interrupts it again and again, even if
 * there are few processors. */
static void add_shared(unsigned number)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        counter_add_shared(&counter, number + 1);
    }
}

Test(counter, shared_additions_lose_nothing)
{
    crew_run(THREADS, add_shared);
    cr_assert_eq(counter_read(&counter), (uint64_t)ROUNDS * THREADS * (THREADS + 1) / 2);
}

/* Runs as one of several threads: thread 0 adds `step` to the count, and the other threads read the count. A count must
 * never be smaller than the one that the thread has read before. It must be a multiple of `step`, which changes both
 * halves of the count, because no reader may see only one half changed. */
static void write_or_watch(unsigned number)
{
    const uint64_t step = (UINT64_C(1) << 32) + 1;
    uint64_t last = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (number == 0) {
            counter_add(&counter, step);
        } else {
            uint64_t seen = counter_read(&counter);
            CHECK(seen >= last && seen % step == 0);
            last = seen;
        }
    }
}

Test(counter, readers_see_whole_additions)
{
    crew_run(THREADS, write_or_watch);
    cr_assert_eq(counter_read(&counter), ROUNDS * ((UINT64_C(1) << 32) + 1));
}

/* If two rows had one name, the structure below would have two members of that name and would not compile. */
Test(counter, rows_have_different_names)
{
#define COUNTER_MEMBER(name, help) struct counter name;
    struct counters {
        COUNTER_ROWS(COUNTER_MEMBER)
    };
#undef COUNTER_MEMBER
#define COUNTER_ONE(name, help) +1
    size_t rows = 0 COUNTER_ROWS(COUNTER_ONE);
#undef COUNTER_ONE
    cr_assert_eq(sizeof(struct counters), rows * 8, "a counter is one word");
}
