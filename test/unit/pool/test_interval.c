/* The interval room: statistics every so many seconds, by one of the threads that come by. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>

#include "os/sandbox.h"
#include "pool/interval.h"
#include "support/crew.h"
#include "support/steps.h"

enum { THREADS = 4, ROUNDS = 2000 };

static const uint64_t a_second = 1000000000;
static _Atomic unsigned written;

static void count(void)
{
    atomic_fetch_add(&written, 1);
}

static uint64_t due(void)
{
    return atomic_load(&interval.next);
}

Test(interval, none_writes_nothing)
{
    interval_open(0, count);
    interval_look(UINT64_MAX / 2);
    cr_assert_eq(written, 0);
}

Test(interval, is_as_long_as_it_is_set)
{
    interval_open(3, count);
    uint64_t first = due();
    interval_look(first - 1);
    cr_assert_eq(written, 0);
    interval_look(first);
    cr_assert_eq(written, 1);
    cr_assert_eq(due(), first + 3 * a_second);
    interval_look(first + 3 * a_second - 1);
    cr_assert_eq(written, 1);
}

Test(interval, what_was_missed_is_not_made_up_for)
{
    interval_open(1, count);
    uint64_t late = due() + 10 * a_second;
    interval_look(late);
    interval_look(late);
    cr_assert_eq(written, 1);
    cr_assert_eq(due(), late + a_second);
}

Test(interval, whose_time_is_past_writes_nothing)
{
    interval_open(1, count);
    uint64_t before = due() - a_second;
    interval_look(due());
    interval_look(before);
    cr_assert_eq(written, 1);
}

Test(interval, nothing_is_written_behind_a_filter_of_its_own)
{
    interval_open(1, count);
    sandbox_add_filter();
    interval_look(due());
    cr_assert_eq(written, 0);
    sandbox_drop_filter();
    interval_look(due());
    cr_assert_eq(written, 1);
}

static uint64_t moment;

static void look(void)
{
    interval_look(moment);
}

static void look_between(void *context)
{
    (void)context;
    look();
}

Test(interval, one_of_two_writes_whatever_their_order)
{
    bool stopped = true;
    steps_need();
    for (unsigned at = 1; stopped; at++) {
        interval_open(1, count);
        moment = due();
        written = 0;
        stopped = steps_run(at, look, look_between);
        cr_assert_eq(written, 1, "after %u instructions", at);
    }
}

/* All see the same times, so that each of these moments is written about once. */
static void look_at_each_second(unsigned number)
{
    static _Atomic unsigned arrived;
    (void)number;
    for (unsigned round = 0; round < ROUNDS; round++) {
        atomic_fetch_add(&arrived, 1);
        while (atomic_load(&arrived) < (round + 1) * THREADS) {
            sched_yield();
        }
        interval_look(moment + round * a_second);
    }
}

Test(interval, one_of_several_threads_writes, .timeout = 60)
{
    interval_open(1, count);
    moment = due();
    crew_run(THREADS, look_at_each_second);
    cr_assert_eq(written, ROUNDS);
}
