/* Tests of base/clear.c: clear_memory sets every byte of its range to zero and no byte beside the range. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/clear.h"

enum {
    MOST = 256 * 1024,
    /* bytes before and behind the memory that is cleared; more than the largest piece that the code clears at once */
    GUARD = 8 * 1024,
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

/* Sizes around each bound at which the code changes its method: a cache line, a piece, and the least size for which
 * it prefetches. */
Test(clear, clears_all_bytes_and_no_others)
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

/* The pools clear memory from the start of a cache line only, but the function accepts any address. */
Test(clear, clears_from_any_address)
{
    for (size_t offset = 0; offset < 4096; offset += 16 * 7 + 1)
        expect_cleared(offset, 70000 + offset);
}
