/*
 * Tests of memory/mapped.c, blocks that have a mapping of their own: their content, their addresses, and what is left
 * when the kernel refuses a call.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "memory/mapped.h"
#include "os/os.h"
#include "support/crew.h"
#include "support/os_failing.h"

enum { MIB = 1 << 20, PAGE = 4096, CALLS_MOST = 40 };

static bool kernel_refused;

static void *allocate(size_t alignment, size_t request)
{
    return mapped_alloc(alignment, request, &kernel_refused);
}

static void open_mapped(void)
{
    os_failing_never();
    mapped_open(0, 0);
}

static void fill(char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE) {
        bytes[at] = (char)(at / PAGE * 7 + 1);
    }
}

static void expect_filled(const char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE) {
        cr_assert_eq(bytes[at], (char)(at / PAGE * 7 + 1), "the page at %zu has changed", at);
    }
}

static void expect_zero(const char *bytes, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++) {
        cr_assert_eq(bytes[at], 0, "byte %zu is not zero", at);
    }
}

static void expect_live(size_t blocks, size_t bytes)
{
    struct mapped_sum sum = mapped_count();
    cr_assert_eq(sum.blocks, blocks);
    cr_assert_eq(sum.bytes, bytes);
}

Test(mapped, nothing_before_it_is_opened)
{
    os_failing_never();
    size_t held = os_failing_held();
    cr_assert_null(allocate(1, MIB));
    cr_assert_eq(os_failing_held(), held, "what was mapped is unmapped");
}

/* The test finds out where the kernel places mappings, and calls mapped_open with addresses that forbid blocks there.
 * Then no block can be allocated. */
Test(mapped, nothing_where_it_may_not_lie)
{
    open_mapped();
    char *first = allocate(1, MIB), *slot = os_map(MIB);
    size_t held = os_failing_held();
    mapped_open((uintptr_t)first & ~(((uintptr_t)1 << 40) - 1), (size_t)1 << 40);
    cr_assert_null(allocate(1, MIB));
    cr_assert_null(allocate(4 * MIB, MIB));
    cr_assert_null(mapped_from_slot(slot, MIB, 2 * MIB));
    cr_assert_eq(os_failing_held(), held);
    cr_assert_eq(mapped_request(first), MIB);
    cr_assert(mapped_free(first));
}

Test(mapped, block_is_zero_and_remembers_its_request)
{
    open_mapped();
    size_t held = os_failing_held();
    char *bytes = allocate(1, 5 * MIB + 3);
    expect_zero(bytes, 0, 5 * MIB + 3);
    fill(bytes, 5 * MIB + 3);
    cr_assert_eq(mapped_request(bytes), 5 * MIB + 3);
    cr_assert_eq(mapped_request(bytes + 1), 0);
    cr_assert_eq(mapped_request(bytes + PAGE), 0);
    expect_live(1, 5 * MIB + PAGE);
    cr_assert(mapped_free(bytes));
    expect_live(0, 0);
    cr_assert_eq(mapped_request(bytes), 0);
    cr_assert_eq(os_failing_held(), held);
}

Test(mapped, second_free_is_known)
{
    open_mapped();
    char *bytes = allocate(1, MIB);
    cr_assert_not(mapped_is_freed(bytes));
    cr_assert(mapped_free(bytes));
    cr_assert_not(mapped_free(bytes));
    cr_assert(mapped_is_freed(bytes));
    cr_assert_not(mapped_is_freed(bytes + 1));
    cr_assert_not(mapped_is_freed(bytes + PAGE));
    /* the table has addresses with marks in their lowest bits; an address with such bits is no block */
    for (unsigned within = 1; within < 4; within++) {
        cr_assert_eq(mapped_request(bytes + within), 0);
        cr_assert_not(mapped_free(bytes + within));
    }
    expect_live(0, 0);
    cr_assert(os_claim(bytes, PAGE));
    cr_assert_not(mapped_is_freed(bytes), "something else lies there now");
}

Test(mapped, alignments)
{
    open_mapped();
    size_t held = os_failing_held();
    for (size_t alignment = 1; alignment <= (size_t)1 << 30; alignment *= 2) {
        char *bytes = allocate(alignment, MIB + 1);
        cr_assert_eq((uintptr_t)bytes % alignment, 0, "%zu", alignment);
        fill(bytes, MIB + 1);
        expect_live(1, MIB + PAGE);
        cr_assert(mapped_free(bytes));
        cr_assert_eq(os_failing_held(), held, "nothing is left of the addresses around it");
    }
    cr_assert_null(allocate((size_t)1 << 63, MIB));
    cr_assert_null(allocate((size_t)1 << 63, PTRDIFF_MAX));
}

Test(mapped, sizes_that_nothing_has)
{
    open_mapped();
    static const size_t sizes[] = {SIZE_MAX, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX, SIZE_MAX - PAGE};
    char *bytes = allocate(1, MIB);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_assert_null(allocate(1, sizes[i]));
        cr_assert_null(mapped_resize(bytes, sizes[i]));
    }
    cr_assert_eq(mapped_request(bytes), MIB);
    expect_live(1, MIB);
}

/* The kernel places each mapping directly below the one before. So directly behind most blocks lies an earlier block,
 * and most blocks must move to grow. */
Test(mapped, grows_and_shrinks_with_its_bytes)
{
    open_mapped();
    size_t held = os_failing_held();
    char *bytes = allocate(1, MIB);
    char *wall = bytes;
    fill(bytes, MIB);
    for (size_t size = MIB; size < 64 * MIB; size *= 2) {
        bytes = mapped_resize(bytes, 2 * size);
        expect_filled(bytes, size);
        expect_zero(bytes, size, size + PAGE);
        fill(bytes, 2 * size);
        cr_assert_eq(mapped_request(bytes), 2 * size);
        expect_live(1, 2 * size);
    }
    cr_assert(bytes == wall || mapped_request(wall) == 0);
    cr_assert_eq(mapped_resize(bytes, MIB + 1), bytes);
    expect_filled(bytes, MIB);
    expect_live(1, MIB + PAGE);
    bytes = mapped_resize(bytes, 2 * MIB);
    expect_zero(bytes, MIB + 2 * PAGE, 2 * MIB);
    cr_assert(mapped_free(bytes));
    cr_assert_eq(os_failing_held(), held);
}

static char *slot_of(size_t size)
{
    char *slot = os_map(size);
    fill(slot, size);
    return slot;
}

Test(mapped, pages_leave_a_slot)
{
    open_mapped();
    char *slot = slot_of(8 * MIB);
    char *bytes = mapped_from_slot(slot, 5 * MIB + 16, 40 * MIB);
    expect_filled(bytes, 5 * MIB + 16);
    expect_zero(bytes, 6 * MIB, 40 * MIB);
    expect_zero(slot, 0, 5 * MIB + PAGE);
    cr_assert_eq(slot[6 * MIB], (char)(6 * MIB / PAGE * 7 + 1), "the rest of the slot stays");
    bytes = mapped_resize(bytes, 80 * MIB);
    expect_filled(bytes, 5 * MIB);
    cr_assert(mapped_free(bytes));
    slot[0] = 1;
}

/* The test makes the kernel refuse a single call, for each call in turn, and also each call together with all later
 * ones. No block changes, and no mapping is left over. */
Test(mapped, refusals_change_nothing)
{
    open_mapped();
    char *wall = allocate(1, MIB);
    char *bytes = allocate(1, 4 * MIB);
    char *slot = slot_of(4 * MIB);
    fill(bytes, 4 * MIB);
    size_t held = os_failing_held();
    unsigned refused = 0;
    for (unsigned call = 1; call < 2 * CALLS_MOST; call++) {
        unsigned first = call / 2 + 1;
        os_failing_between(first, call % 2 == 0 ? first : UINT_MAX);
        char *taken = allocate(1, 5 * MIB);
        if (taken != NULL) {
            cr_assert(mapped_free(taken));
        }
        char *moved = mapped_from_slot(slot, 4 * MIB, 6 * MIB);
        if (moved != NULL) {
            expect_filled(moved, 4 * MIB);
            memcpy(slot, moved, 4 * MIB);
            cr_assert(mapped_free(moved));
        }
        moved = mapped_resize(bytes, 6 * MIB);
        if (moved != NULL) {
            bytes = mapped_resize(moved, 4 * MIB);
        }
        refused += os_failing_refusals();
        os_failing_never();
        expect_filled(bytes, 4 * MIB);
        expect_filled(slot, 4 * MIB);
        cr_assert_eq(mapped_request(bytes), 4 * MIB);
        cr_assert_eq(mapped_request(wall), MIB);
        expect_live(2, 5 * MIB);
        cr_assert_eq(os_failing_held(), held, "call %u", call);
    }
    cr_assert_gt(refused, 10);
}

Test(mapped, table_ends)
{
    static char *all[MAPPED_BLOCKS];
    open_mapped();
    for (size_t i = 0; i < MAPPED_BLOCKS; i++) {
        all[i] = allocate(1, PAGE);
        cr_assert_not_null(all[i], "%zu", i);
    }
    cr_assert_null(allocate(1, PAGE));
    cr_assert_not(kernel_refused);
    char *slot = slot_of(2 * MIB);
    cr_assert_null(mapped_from_slot(slot, MIB, 2 * MIB));
    expect_filled(slot, 2 * MIB);
    cr_assert_eq(mapped_resize(all[0], 1), all[0]);
    for (size_t i = 0; i < MAPPED_BLOCKS; i++) {
        cr_assert_eq(mapped_request(all[i]), i == 0 ? 1 : PAGE);
        cr_assert(mapped_free(all[i]));
    }
    expect_live(0, 0);
    cr_assert_not_null(allocate(1, PAGE), "entries are used again");
}

/* Runs as a thread: allocates, resizes and frees blocks. When one thread has freed addresses, the kernel may give them
 * to another thread at once. No thread may find another's bytes in its block. */
static void allocate_and_move(unsigned number)
{
    enum { ROUNDS = 300, KEPT = 8 };
    char *kept[KEPT] = {NULL};
    for (unsigned round = 0; round < ROUNDS; round++) {
        char **bytes = &kept[(round * 5 + number) % KEPT];
        if (*bytes == NULL) {
            bool unused;
            *bytes = mapped_alloc(1, PAGE, &unused);
            CHECK(*bytes != NULL && **bytes == 0);
            **bytes = (char)number;
        } else if (round % 3 != 0) {
            *bytes = mapped_resize(*bytes, mapped_request(*bytes) + (size_t)PAGE * (round % 5));
            CHECK(*bytes != NULL && **bytes == (char)number);
        } else {
            CHECK(**bytes == (char)number);
            CHECK(mapped_free(*bytes));
            *bytes = NULL;
        }
    }
    for (unsigned i = 0; i < KEPT; i++) {
        CHECK(kept[i] == NULL || mapped_free(kept[i]));
    }
}

Test(mapped, threads_beside_each_other)
{
    enum { THREADS = 4 };
    open_mapped();
    crew_run(THREADS, allocate_and_move);
    expect_live(0, 0);
}
