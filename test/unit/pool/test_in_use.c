/*
 * Tests of pool/in_use.c, which records the caller and the time of each allocation: each slot has a record of its own,
 * several threads may write and read records at once, and only those records are missing for which the kernel has
 * refused memory.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <time.h>

#include "memory/reserve.h"
#include "os/os.h"
#include "pool/in_use.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"

/* STEP is the smallest number of records by which the table of records grows. */
enum { THREADS = 8, ROUNDS = 20000, STEP = 1024 };

static char *start;
static const char code[4]; /* each of these four addresses stands for a caller of malloc */

static void lay_at(unsigned shift)
{
    start = house_space(in_use_space((size_t)1 << shift));
    cr_assert_not_null(start);
    cr_assert(in_use_lay((size_t)1 << shift));
}

static void lay(void)
{
    lay_at(HOUSE_SHIFT);
}

static void expect_noted(uint32_t number, const void *caller, uint64_t taken_at)
{
    struct in_use found = in_use_find(number);
    cr_assert_eq(found.caller, caller, "slot %u", number);
    cr_assert_eq(found.taken_at, taken_at, "slot %u", number);
}

Test(in_use, nothing_is_noted_without_tables)
{
    cr_assert_not(in_use_is_kept());
    expect_noted(0, NULL, 0);
    cr_assert_not(in_use_note(0, code));
    lay();
    cr_assert(in_use_is_kept());
}

Test(in_use, needs_exactly_the_space_that_it_reports)
{
    for (unsigned shift = 24; shift <= 36; shift += 4) {
        size_t space = in_use_space((size_t)1 << shift);
        lay_at(shift);
        cr_assert_eq(space % os_page_size(), 0);
        cr_assert_eq((size_t)(reserve_cut(0) - start), space);
        in_use_unlay();
        cr_assert_not(in_use_is_kept());
    }
}

Test(in_use, first_and_last_page_have_a_record)
{
    lay();
    cr_assert(in_use_note_at(HOUSE_PAGES - 1, &code[1], 200));
    cr_assert(in_use_note_at(0, &code[0], 100));
    expect_noted(0, &code[0], 100);
    expect_noted(HOUSE_PAGES - 1, &code[1], 200);
    expect_noted(1, NULL, 0);
}

/*
 * The table of records is rounded up to whole pages, so it has records for a few more slots than can exist. For a
 * number far beyond these, in_use_find must find no record.
 */
Test(in_use, no_record_far_behind_the_last_slot)
{
    uint32_t beyond = HOUSE_PAGES + (uint32_t)os_page_size();
    lay();
    cr_assert_not(in_use_note(beyond, code));
    expect_noted(beyond, NULL, 0);
}

Test(in_use, each_slot_has_its_own_record)
{
    lay();
    for (uint32_t number = 0; number < HOUSE_PAGES; number++) {
        cr_assert(in_use_note_at(number, &code[number % 4], number + 1));
        expect_noted(number, &code[number % 4], number + 1);
    }
    for (uint32_t number = 0; number < HOUSE_PAGES; number++) {
        expect_noted(number, &code[number % 4], number + 1);
    }
}

Test(in_use, note_replaces_the_last_one)
{
    lay();
    cr_assert(in_use_note_at(7, &code[0], 1000));
    cr_assert(in_use_note_at(7, &code[1], 900));
    expect_noted(7, &code[1], 900);
    cr_assert(in_use_note_at(7, NULL, 0));
    expect_noted(7, NULL, 0);
}

static uint64_t clock_says(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

Test(in_use, time_is_that_of_the_coarse_clock)
{
    uint64_t before = clock_says(CLOCK_MONOTONIC_COARSE);
    uint64_t now = in_use_now();
    cr_assert(before <= now && now <= clock_says(CLOCK_MONOTONIC_COARSE));
    while (in_use_now() == now) { /* waits until the coarse clock has advanced by a step */
    }
    cr_assert_gt(in_use_now(), now);
    lay();
    before = in_use_now();
    cr_assert(in_use_note(3, code));
    uint64_t taken_at = in_use_find(3).taken_at;
    cr_assert(before <= taken_at && taken_at <= in_use_now());
}

Test(in_use, nothing_is_noted_where_the_kernel_refuses)
{
    lay();
    cr_assert(in_use_note_at(0, &code[0], 100));
    cr_assert(in_use_note_at(STEP / 2, &code[0], 100), "the kernel grants memory for a record beyond the first page");
    uint32_t far = 0;
    os_failing_from(1);
    while (in_use_note_at(far, &code[0], 100)) {
        far++;
    }
    cr_assert_geq(far, (uint32_t)STEP);
    cr_assert_not(in_use_note(far, &code[1]));
    cr_assert_gt(os_failing_refusals(), 0U);
    expect_noted(far, NULL, 0);
    expect_noted(0, &code[0], 100);
    os_failing_never();
    cr_assert(in_use_note_at(far, &code[1], 200));
    expect_noted(far, &code[1], 200);
    expect_noted(far - 1, &code[0], 100);
}

/* Each thread writes to every eighth record, and begins at a record of its own. So every thread writes to all pages of
 * the table and makes it grow. */
static void note_every_eighth(unsigned number)
{
    for (uint32_t slot = number; slot < HOUSE_PAGES; slot += THREADS) {
        CHECK(in_use_note_at(slot, &code[number % 4], slot + 1));
    }
}

Test(in_use, threads_write_notes_together)
{
    lay();
    crew_run(THREADS, note_every_eighth);
    for (uint32_t slot = 0; slot < HOUSE_PAGES; slot++) {
        expect_noted(slot, &code[slot % THREADS % 4], slot + 1);
    }
}

/* Thread 0 writes the records of 2 * STEP slots again and again, and the table grows meanwhile. The other threads read
 * these records. Each word that they read must be 0 or a word that thread 0 has written. */
static void note_or_look(unsigned number)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t slot = round % (2 * STEP);
        if (number == 0) {
            CHECK(in_use_note_at(slot, &code[round % 4], 1 + round % 4));
            continue;
        }
        struct in_use found = in_use_find(slot);
        CHECK(found.taken_at <= 4);
        CHECK(found.caller == NULL || (const char *)found.caller - code < 4);
    }
}

Test(in_use, readers_find_whole_notes)
{
    lay();
    crew_run(THREADS, note_or_look);
}
