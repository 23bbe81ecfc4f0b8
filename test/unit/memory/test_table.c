/* Tests of memory/table.c: a table can be used from its start on, grows in place up to its limit when more is needed,
 * and any thread may make it grow. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "memory/table.h"
#include "os/os.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"

enum { STEP = 16 << 10, THREADS = 8 };

static struct table table;

static void open_table(size_t limit)
{
    char *start = house_space(limit);
    cr_assert_not_null(start);
    cr_assert(table_open(&table, start, limit, STEP));
}

static size_t ready(void)
{
    return atomic_load(&table.ready);
}

static void touch(void *address)
{
    *(volatile char *)address = 1;
}

Test(table, begins_as_one_page)
{
    open_table(1 << 20);
    cr_assert_eq(ready(), os_page_size());
    cr_assert(table_reach(&table, 0));
    cr_assert(table_reach(&table, os_page_size()));
    cr_assert_eq(ready(), os_page_size());
    table.start[os_page_size() - 1] = 1;
    capture_fault(touch, table.start + ready());
}

Test(table, is_not_opened_over_a_mapping)
{
    open_table(1 << 20);
    struct table other;
    table.start[0] = 'x';
    cr_assert_not(table_open(&other, table.start, 1 << 20, STEP));
    cr_assert_eq(table.start[0], 'x');
    cr_assert_not(table_reach(&other, 1));
    table_close(&other);
    cr_assert_eq(table.start[0], 'x', "the table unmaps only what it has mapped");
    table_close(&table);
    capture_fault(touch, table.start);
}

Test(table, grows_by_a_step_at_least)
{
    size_t page = os_page_size();
    open_table(1 << 20);
    cr_assert(table_reach(&table, page + 1));
    cr_assert_eq(ready(), page + STEP);
    memset(table.start, 'x', ready());
    capture_fault(touch, table.start + ready());
    cr_assert(table_reach(&table, page + STEP));
    cr_assert_eq(ready(), page + STEP, "memory that is usable already needs no growth");
    cr_assert(table_reach(&table, page + STEP + 1));
    cr_assert_eq(ready(), page + 2 * STEP);
    cr_assert_eq(table.start[page + STEP - 1], 'x');
    cr_assert_eq(table.start[page + STEP], 0);
}

Test(table, grows_sparingly_when_told)
{
    open_table(1 << 20);
    table_grow_sparingly();
    cr_assert(table_reach(&table, 3 * os_page_size() + 1));
    cr_assert_eq(ready(), 4 * os_page_size());
}

/* A mapping that does not belong to the library lies behind the table. The table must not overwrite that mapping, and
 * so cannot grow further. */
Test(table, ends_where_something_is_in_the_way)
{
    size_t page = os_page_size();
    open_table(1 << 20);
    char *stranger = table.start + 8 * page;
    cr_assert(os_claim(stranger, page));
    *stranger = 's';
    cr_assert(table_reach(&table, 8 * page), "the table grows up to the stranger, although a step would be more");
    cr_assert_eq(ready(), 8 * page);
    cr_assert_not(table_reach(&table, 8 * page + 1));
    cr_assert_eq(*stranger, 's');
    cr_assert_eq(ready(), 8 * page);
    cr_assert(os_release(stranger, page));
    cr_assert(table_reach(&table, 9 * page), "once the stranger is gone, the table can grow");
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
    size_t limit = 3 * STEP + 2 * os_page_size();
    open_table(limit);
    cr_assert_not(table_reach(&table, limit + 1));
    cr_assert_eq(ready(), os_page_size(), "a refusal changes nothing");
    cr_assert(table_reach(&table, 3 * STEP));
    cr_assert(table_reach(&table, 3 * STEP + 1));
    cr_assert_eq(ready(), limit, "the last step ends at the limit");
    cr_assert_not(table_reach(&table, limit + 1));
    cr_assert(table_reach(&table, limit));
    table.start[limit - 1] = 1;
}

/* Each step by which a table grows is at least an eighth of its size, because a table of 64 MiB would need 4096 calls
 * in steps of fixed size. */
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

/* Runs as a thread: makes the table grow to include a certain page, and writes to this page, while other threads make
 * the table grow too. Their calls must neither unmap nor clear the page. */
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

Test(table, threads_may_grow_it_together)
{
    open_table(16 << 20);
    crew_run(THREADS, reach_and_write);
    cr_assert_eq(ready(), table.limit);
    for (size_t page = 0; page < table.limit / os_page_size(); page++) {
        cr_assert_eq(table.start[(page + 1) * os_page_size() - 1], (char)(page % THREADS + 1));
    }
}

/* Runs as a thread: makes the table grow page by page. All threads need the same page at the same time, and a slower
 * thread must not lower `ready`, the size that may be used. */
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
