/* The table room: usable from its start on, by need, up to its limit, whoever asks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "capture.h"
#include "crew.h"
#include "house.h"
#include "os.h"
#include "table.h"

enum { STEP = 16 << 10, THREADS = 8 };

static struct table table;

static void open_table(size_t limit)
{
    char *start = house_space(limit);
    cr_assert_not_null(start);
    table_open(&table, start, limit, STEP);
}

static size_t ready(void)
{
    return atomic_load(&table.ready);
}

static void touch(void *address)
{
    *(volatile char *)address = 1;
}

Test(table, nothing_is_usable_at_first)
{
    open_table(1 << 20);
    cr_assert_eq(ready(), 0);
    cr_assert(table_reach(&table, 0));
    cr_assert_eq(ready(), 0);
    capture_fault(touch, table.start);
}

Test(table, grows_by_a_step_at_least)
{
    open_table(1 << 20);
    cr_assert(table_reach(&table, 1));
    cr_assert_eq(ready(), STEP);
    memset(table.start, 'x', ready());
    capture_fault(touch, table.start + ready());
    cr_assert(table_reach(&table, STEP));
    cr_assert_eq(ready(), STEP, "what is usable needs no growth");
    cr_assert(table_reach(&table, STEP + 1));
    cr_assert_eq(ready(), 2 * STEP);
    cr_assert_eq(table.start[STEP - 1], 'x');
    cr_assert_eq(table.start[STEP], 0);
}

Test(table, grows_as_far_as_is_asked)
{
    open_table(1 << 20);
    cr_assert(table_reach(&table, 5 * STEP + 1));
    cr_assert_geq(ready(), (size_t)5 * STEP + 1);
    cr_assert_eq(ready() % os_page_size(), 0);
    table.start[ready() - 1] = 1;
}

Test(table, ends_at_its_limit)
{
    size_t limit = 3 * STEP + os_page_size();
    open_table(limit);
    cr_assert_not(table_reach(&table, limit + 1));
    cr_assert_eq(ready(), 0, "a refusal changes nothing");
    cr_assert(table_reach(&table, 3 * STEP));
    cr_assert(table_reach(&table, limit));
    cr_assert_eq(ready(), limit, "the last step is as long as there is room");
    cr_assert_not(table_reach(&table, limit + 1));
    cr_assert(table_reach(&table, limit));
    table.start[limit - 1] = 1;
}

/* By its own step a table of 64 MiB would take 4096 calls; it takes an eighth of what it has. */
Test(table, large_one_grows_in_few_steps)
{
    size_t limit = 64 << 20;
    open_table(limit);
    unsigned growths = 0;
    for (size_t size = os_page_size(); size <= limit; size += os_page_size()) {
        size_t before = ready();
        cr_assert(table_reach(&table, size));
        cr_assert_geq(ready(), size);
        cr_assert_leq(ready(), limit);
        growths += ready() != before;
    }
    cr_assert_lt(growths, 128, "%u growths", growths);
}

/* What one thread has reached and written, another's growth neither takes away nor clears. */
static void reach_and_write(unsigned number)
{
    for (size_t page = number; page < table.limit / os_page_size(); page += THREADS) {
        size_t end = (page + 1) * os_page_size();
        if (!CHECK(table_reach(&table, end)) || !CHECK(ready() >= end)) {
            return;
        }
        table.start[end - 1] = (char)(number + 1);
    }
}

Test(table, threads_may_grow_it_at_once)
{
    open_table(16 << 20);
    crew_run(THREADS, reach_and_write);
    cr_assert_eq(ready(), table.limit);
    for (size_t page = 0; page < table.limit / os_page_size(); page++) {
        cr_assert_eq(table.start[(page + 1) * os_page_size() - 1], (char)(page % THREADS + 1));
    }
}

/*
 * A page at a time, all threads the same one: two that lose the race for it must not lower `ready`.
 */
static void reach_in_step(unsigned number)
{
    size_t least = 0;
    for (size_t end = os_page_size(); end <= table.limit; end += os_page_size()) {
        CHECK(table_reach(&table, end));
        size_t now = ready();
        CHECK(now >= end && now >= least);
        least = now;
        table.start[end - 1 - number] = 1;
    }
}

Test(table, ready_never_falls)
{
    open_table(16 << 20);
    crew_run(THREADS, reach_in_step);
    cr_assert_eq(ready(), table.limit);
}
