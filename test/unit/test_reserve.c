/* The reserve room: one range, cut from its start on without gaps. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdint.h>
#include <sys/mman.h>

#include "capture.h"
#include "os.h"
#include "reserve.h"

Test(reserve, cuts_follow_each_other)
{
    size_t page = os_page_size();
    cr_assert(reserve_open(10 * page, NULL));
    char *first = reserve_cut(page);
    char *second = reserve_cut(4 * page);
    char *third = reserve_cut(5 * page);
    cr_assert_not_null(first);
    cr_assert_eq((uintptr_t)first % page, 0);
    cr_assert_eq(second, first + page);
    cr_assert_eq(third, second + 4 * page);
    cr_assert(os_permit_writing(first, 10 * page), "the whole range is there");
    first[0] = third[5 * page - 1] = 1;
}

Test(reserve, says_when_there_is_no_such_range)
{
    cr_assert_not(reserve_open(SIZE_MAX / 2 / os_page_size() * os_page_size(), NULL));
    cr_assert(reserve_open(os_page_size(), NULL), "less may still be had");
    cr_assert_not_null(reserve_cut(os_page_size()));
}

Test(reserve, ends_where_it_is_wished)
{
    size_t size = 10 * os_page_size();
    cr_assert(reserve_open(size, NULL));
    char *start = reserve_cut(0);
    munmap(start, size);
    cr_assert(reserve_open(size, start + size));
    cr_assert_eq(reserve_cut(0), start);
    cr_assert(reserve_open(size, start + size), "elsewhere, where it cannot be had there");
    cr_assert_neq(reserve_cut(0), start);
}

static void touch(void *address)
{
    (void)*(volatile char *)address;
}

Test(reserve, cuts_cannot_be_touched_yet)
{
    cr_assert(reserve_open(os_page_size(), NULL));
    capture_fault(touch, reserve_cut(os_page_size()));
}
