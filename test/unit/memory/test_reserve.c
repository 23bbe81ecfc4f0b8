/* Tests of memory/reserve.c, which finds a window of free addresses, and cuts pieces from its start for the tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdint.h>

#include "memory/reserve.h"
#include "os/os.h"
#include "support/capture.h"

static void touch(void *address)
{
    (void)*(volatile char *)address;
}

Test(reserve, cuts_follow_each_other_with_a_page_between)
{
    size_t page = os_page_size();
    cr_assert_eq(reserve_space(4 * page), 5 * page);
    cr_assert(reserve_open(13 * page, NULL));
    char *first = reserve_cut(page);
    char *second = reserve_cut(4 * page);
    char *third = reserve_cut(5 * page);
    cr_assert_not_null(first);
    cr_assert_eq((uintptr_t)first % page, 0);
    cr_assert_eq(second, first + 2 * page);
    cr_assert_eq(third, second + 5 * page);
    cr_assert_eq(reserve_cut(0), third + 6 * page);
}

Test(reserve, nothing_is_mapped)
{
    size_t size = 10 * os_page_size();
    cr_assert(reserve_open(size, NULL));
    char *start = reserve_cut(0);
    cr_assert(os_is_free(start, size));
    capture_fault(touch, start);
}

Test(reserve, fails_without_such_a_range)
{
    cr_assert_not(reserve_open(SIZE_MAX / 2 / os_page_size() * os_page_size(), NULL));
    cr_assert(reserve_open(os_page_size(), NULL), "a smaller window is still found");
    cr_assert_not_null(reserve_cut(0));
}

Test(reserve, window_ends_at_the_given_address)
{
    size_t size = 10 * os_page_size();
    char *start = os_find_free(size);
    cr_assert_not_null(start);
    cr_assert(reserve_open(size, start + size));
    cr_assert_eq(reserve_cut(0), start);
    cr_assert(os_claim(start + size - os_page_size(), os_page_size()));
    cr_assert(reserve_open(size, start + size), "the window is found elsewhere if there is no space at that place");
    cr_assert_neq(reserve_cut(0), start);
}
