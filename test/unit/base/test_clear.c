/* The clear room: all of the memory is zero, and none of its neighbours'. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/clear.h"

enum {
    MOST = 256 * 1024,
    GUARD = 8 * 1024, /* more than a piece on each side */
    DIRT = 0xa5,
};

static unsigned char memory[GUARD + MOST + GUARD];

static void expect_only(const unsigned char *bytes, size_t size, unsigned char value, size_t of)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            cr_assert_fail("clear of %zu bytes: %#x at %td", of, bytes[i], bytes + i - memory - GUARD);
}

static void expect_cleared(size_t offset, size_t size)
{
    unsigned char *start = memory + GUARD + offset;
    memset(memory, DIRT, sizeof memory);
    cr_assert_eq(clear_memory(start, size), start);
    expect_only(memory, (size_t)(start - memory), DIRT, size);
    expect_only(start, size, 0, size);
    expect_only(start + size, sizeof memory - (size_t)(start - memory) - size, DIRT, size);
}

/* Around each size at which something begins: a line, a piece, and the least that is fetched. */
Test(clear, is_of_all_the_bytes_and_of_no_others)
{
    for (size_t size = 64; size <= MOST; size *= 2) {
        expect_cleared(0, size - 1);
        expect_cleared(0, size);
        if (size < MOST)
            expect_cleared(0, size + 1);
    }
    expect_cleared(0, 0);
    expect_cleared(0, MOST - 4096 + 16);
}

/* Slots begin at lines of their pages, but nothing here rests on it. */
Test(clear, may_begin_anywhere)
{
    for (size_t offset = 0; offset < 4096; offset += 16 * 7 + 1)
        expect_cleared(offset, 70000 + offset);
}
