/* Tests of memory/hole.c, which unmaps addresses of the range of slots, so that they become a hole. Later it maps pages
 * again, from the start of the hole on. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "memory/bucket.h"
#include "memory/hole.h"
#include "os/os.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"

/* PAGES is enough for HOLES_MAX + 1 holes, one more than are allowed, with a mapped page between any two holes. */
enum { PAGE = 1 << BUCKET_GRANULE_SHIFT, PAGES = 2 * HOLES_MAX + 10 };

static char *range;

static char *page_at(uint32_t page)
{
    return range + (size_t)page * PAGE;
}

static void lay(void)
{
    os_failing_never();
    range = house_space((size_t)PAGES * PAGE);
    cr_assert_not_null(range);
    cr_assert(os_claim(range, (size_t)PAGES * PAGE));
    for (uint32_t page = 0; page < PAGES; page++) {
        *page_at(page) = 'x';
    }
}

static bool open_hole(uint32_t first, uint32_t pages)
{
    return hole_open(range, first, pages, true);
}

static void make_hole(uint32_t first, uint32_t pages)
{
    cr_assert(open_hole(first, pages), "page %u", first);
    hole_close(first, pages);
}

/* Checks that the pages are mapped and read as zero, and then writes to them. */
static void expect_new(uint32_t first, uint32_t pages)
{
    for (uint32_t page = first; page < first + pages; page++) {
        cr_assert(os_is_mapped(page_at(page)), "page %u", page);
        cr_assert_eq(*page_at(page), 0, "page %u", page);
        *page_at(page) = 'n';
    }
}

static void expect_filled(uint32_t pages, uint32_t wanted, uint32_t count, uint32_t at)
{
    uint32_t first = UINT32_MAX;
    cr_assert_eq(hole_fill(range, pages, wanted, &first), count);
    if (count > 0) {
        cr_assert_eq(first, at, "page %u, not %u", first, at);
        expect_new(first, count * pages);
    }
}

static void expect_full(void)
{
    expect_filled(1, 1, 0, 0);
}

static void touch(void *address)
{
    *(volatile char *)address = 1;
}

Test(hole, no_hole_needs_no_system_call)
{
    lay();
    os_failing_never(); /* sets the count of calls to 0; no call fails */
    expect_filled(1, 10, 0, 0);
    cr_assert_eq(os_failing_calls(), 0U);
}

Test(hole, has_no_memory_and_its_neighbours_keep_theirs)
{
    lay();
    size_t held = os_failing_held();
    make_hole(4, 8);
    cr_assert_eq(os_failing_held(), held - 8 * PAGE);
    cr_assert_eq(*page_at(3), 'x');
    cr_assert_eq(*page_at(12), 'x');
    for (uint32_t page = 4; page < 12; page++) {
        cr_assert_not(os_is_mapped(page_at(page)));
    }
    capture_fault(touch, page_at(4));
    capture_fault(touch, page_at(11));
}

Test(hole, is_claimed_from_its_front)
{
    lay();
    make_hole(4, 8);
    expect_filled(2, 1, 1, 4);
    expect_filled(1, 2, 2, 6);
    cr_assert_not(os_is_mapped(page_at(8)));
    expect_filled(4, 1, 1, 8);
    expect_full();
    cr_assert_eq(*page_at(12), 'x');
}

Test(hole, gives_as_many_pieces_as_fit)
{
    lay();
    make_hole(4, 8);
    expect_filled(3, 10, 2, 4);
    expect_filled(3, 1, 0, 0);
    expect_filled(2, 10, 1, 10);
    expect_full();
}

Test(hole, first_hole_that_is_long_enough_is_used)
{
    lay();
    make_hole(30, 8);
    make_hole(4, 2);
    make_hole(10, 8);
    expect_filled(4, 1, 1, 10);
    expect_filled(2, 2, 1, 4);
    expect_filled(8, 1, 1, 30);
    expect_filled(4, 9, 1, 14);
    expect_full();
}

static void expect_one_of_three(const uint32_t order[3])
{
    for (unsigned i = 0; i < 3; i++) {
        make_hole(10 + 2 * order[i], 2);
    }
    expect_filled(6, 1, 1, 10);
    expect_full();
}

Test(hole, adjacent_holes_are_joined)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    lay();
    make_hole(2, 1);
    make_hole(30, 1);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        expect_filled(1, 1, 1, 2); /* fills both holes, because expect_full would otherwise find space in them */
        expect_filled(1, 1, 1, 30);
        expect_one_of_three(orders[i]);
        make_hole(2, 1);
        make_hole(30, 1);
    }
}

Test(hole, separate_holes_stay_separate)
{
    lay();
    make_hole(10, 2);
    make_hole(13, 2);
    expect_filled(3, 1, 0, 0);
    expect_filled(2, 2, 1, 10);
    expect_filled(2, 2, 1, 13);
}

/* If there are HOLES_MAX holes, hole_open refuses another one, and accepts one again when a hole has been filled. */
Test(hole, number_of_holes_is_limited)
{
    lay();
    for (uint32_t i = 0; i < HOLES_MAX; i++) {
        make_hole(1 + 2 * i, 1);
    }
    cr_assert_not(open_hole(1 + 2 * HOLES_MAX, 1));
    cr_assert_eq(*page_at(1 + 2 * HOLES_MAX), 'x', "nothing has changed");
    expect_filled(1, 1, 1, 1);
    make_hole(1 + 2 * HOLES_MAX, 1);
    cr_assert_not(open_hole(1, 1));
    for (uint32_t i = 1; i <= HOLES_MAX; i++) {
        expect_filled(1, 1, 1, 1 + 2 * i);
    }
    expect_full();
}

Test(hole, refused_unmapping_makes_no_hole)
{
    lay();
    os_failing_keep_mapped(true);
    cr_assert_not(open_hole(4, 2));
    os_failing_keep_mapped(false);
    cr_assert_eq(*page_at(4), 'x');
    expect_full();
    make_hole(4, 2);
    expect_filled(2, 1, 1, 4);
}

/*
 * hole_fill maps several pieces of equal length side by side, by one system call. If the kernel refuses this call for
 * lack of memory, hole_fill tries a single piece, for which there may be enough memory.
 */
Test(hole, one_piece_is_claimed_where_memory_is_short)
{
    lay();
    make_hole(4, 8);
    os_failing_between(1, 1);
    expect_filled(2, 4, 1, 4);
    os_failing_from(1);
    expect_filled(2, 3, 0, 0);
    cr_assert_eq(os_failing_refusals(), 2U, "first several pages are refused, then one, and then the call gives up");
    os_failing_from(1);
    expect_filled(2, 1, 0, 0);
    cr_assert_eq(os_failing_refusals(), 1U);
    os_failing_never();
    expect_filled(2, 3, 3, 6);
}

/* Pages of a hole are mapped again by extending the mapping in front of the hole. So hole_open refuses pages in front
 * of which nothing is mapped, or only a mapping that does not belong to the range. */
Test(hole, is_not_made_where_nothing_is_mapped_before_it)
{
    lay();
    make_hole(4, 4);
    hole_reset();
    cr_assert_not(hole_open(range, 8, 2, false));
    cr_assert_eq(*page_at(8), 'x');
    make_hole(12, 2);
    cr_assert(hole_open(range, 14, 2, false), "the mapping before it may be another one of the range");
    hole_close(14, 2);
    expect_filled(4, 1, 1, 12);
}

Test(hole, hole_with_a_strangers_mapping_is_given_up)
{
    lay();
    make_hole(4, 4);
    make_hole(10, 4);
    make_hole(16, 4);
    cr_assert(os_claim(page_at(4), PAGE));
    cr_assert(os_claim(page_at(12), PAGE));
    *page_at(4) = *page_at(12) = 's';
    /* The test has mapped a page of its own at the start of the first hole and another in the middle of the second. The
     * kernel maps nothing over these pages. The first request below fails: the library drops the first hole, and takes
     * the refusal in the second for a lack of memory. The later requests get the pages of the second hole that lie
     * before the test's page, and then the third hole. */
    expect_filled(4, 1, 0, 0);
    expect_filled(2, 4, 1, 10);
    expect_filled(2, 4, 2, 16);
    expect_full();
    cr_assert(*page_at(4) == 's' && *page_at(12) == 's');
    cr_assert_not(hole_open(range, 8, 1, false), "the addresses are no hole any more");
}

Test(hole, reset_forgets_all_holes)
{
    lay();
    make_hole(4, 4);
    make_hole(10, 4);
    hole_reset();
    expect_full();
    cr_assert_not(os_is_mapped(page_at(4)));
    make_hole(20, 1);
    expect_filled(1, 1, 1, 20);
}

/* --- while a hole is being made --- */

/* While one hole is being opened, no hole may be filled and no other hole opened. A signal handler must not wait until
 * that is done, because the code that it has interrupted may be opening the hole. */
Test(hole, handler_uses_no_hole_meanwhile)
{
    lay();
    make_hole(4, 2);
    cr_assert(open_hole(10, 2));
    expect_full();
    cr_assert_not(open_hole(20, 2));
    cr_assert_eq(*page_at(20), 'x');
    hole_close(10, 2);
    expect_filled(2, 1, 1, 4);
    expect_filled(2, 1, 1, 10);
}

static _Atomic unsigned owners[PAGES];

enum { THREADS = 8, ROUNDS = 2000 };

/* Runs as a thread: maps pages of holes and unmaps only these again. Checks that no other thread has mapped the same
 * pages. */
static void fill_and_open(unsigned number)
{
    uint64_t random = number + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t first = 0;
        uint32_t pages = 1 + (uint32_t)(crew_random(&random) % 4);
        uint32_t count = hole_fill(range, pages, 1, &first);
        for (uint32_t page = first; count > 0 && page < first + pages; page++) {
            CHECK(atomic_fetch_add(&owners[page], 1) == 0);
            CHECK(*page_at(page) == 0);
            *page_at(page) = (char)number;
        }
        for (uint32_t page = first; count > 0 && page < first + pages; page++) {
            CHECK(atomic_fetch_sub(&owners[page], 1) == 1);
        }
        while (count > 0 && !open_hole(first, pages)) { /* tries again as long as another thread is opening a hole */
            sched_yield();
        }
        if (count > 0) {
            hole_close(first, pages);
        }
    }
}

Test(hole, threads_claim_and_give_back, .timeout = 60)
{
    lay();
    make_hole(1, 64);
    crew_run(THREADS, fill_and_open);
    expect_filled(64, 1, 1, 1);
}
