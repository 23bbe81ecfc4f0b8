/* Tests of cache/magazine.c: magazines are aligned, they can be pushed to stacks and popped again, and none is opened
 * when their table is full. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/magazine.h"
#include "memory/reserve.h"
#include "os/os.h"
#include "support/crew.h"
#include "support/house.h"

enum { THREADS = 8, MANY = 1 << 12 };

static void lay(void)
{
    cr_assert_not_null(house_space(magazine_space()));
    cr_assert(magazine_lay());
}

Test(magazine, record_is_as_large_as_its_alignment)
{
    cr_assert_eq(sizeof(struct magazine), (size_t)MAGAZINE_SIZE);
    cr_assert_lt(offsetof(struct magazine, slot) + MAGAZINE_SLOTS * sizeof(void *), (size_t)MAGAZINE_SIZE,
                 "the top of a full magazine is still an address inside the magazine");
}

Test(magazine, needs_exactly_the_space_that_it_reports)
{
    size_t space = magazine_space();
    cr_assert_eq(space % os_page_size(), 0);
    char *start = house_space(space);
    cr_assert_not_null(start);
    cr_assert(magazine_lay());
    cr_assert_eq((size_t)(reserve_cut(0) - start), space);
}

Test(magazine, opened_ones_are_empty_aligned_and_different)
{
    lay();
    struct magazine *former = NULL;
    for (int i = 0; i < 1000; i++) {
        struct magazine *magazine = magazine_open();
        cr_assert_not_null(magazine);
        cr_assert_eq((uintptr_t)magazine % MAGAZINE_SIZE, 0);
        cr_assert_eq(magazine_count(magazine), 0);
        cr_assert_neq(magazine, former);
        cr_assert(former == NULL || former->slot[0] == (void *)former, "magazines do not overlap");
        for (unsigned slot = 0; slot < MAGAZINE_SLOTS; slot++) {
            magazine->slot[slot] = magazine;
        }
        magazine_set_count(magazine, MAGAZINE_SLOTS);
        cr_assert_eq(magazine_count(magazine), MAGAZINE_SLOTS);
        former = magazine;
    }
}

Test(magazine, table_can_be_full)
{
    lay();
    unsigned opened = 0;
    while (magazine_open() != NULL) {
        opened++;
        cr_assert_leq(opened * sizeof(struct magazine), magazine_space());
    }
    cr_assert_eq(opened, 1U << 16);
    cr_assert_null(magazine_open());
}

Test(magazine, depth_is_told_by_top_alone)
{
    lay();
    struct magazine *magazine = magazine_open();
    for (uint32_t depth = 0; depth <= MAGAZINE_SLOTS; depth++) {
        cr_assert_eq(magazine_depth(&magazine->slot[0] + depth), depth);
    }
    cr_assert_eq(magazine_depth(NULL), 0, "a cache without a magazine holds no slot");
}

Test(magazine, stacks_are_last_in_first_out)
{
    static struct stack one;
    static struct stack other;
    lay();
    struct magazine *first = magazine_open();
    struct magazine *second = magazine_open();
    struct magazine *third = magazine_open();
    cr_assert_null(magazine_pop(&one));
    magazine_push(&one, first);
    magazine_push(&other, second);
    magazine_push(&one, third);
    cr_assert_eq(magazine_pop(&one), third);
    cr_assert_eq(magazine_pop(&one), first);
    cr_assert_null(magazine_pop(&one));
    cr_assert_eq(magazine_pop(&other), second);
}

Test(magazine, reset_makes_all_unopened_and_empty)
{
    lay();
    struct magazine *first = magazine_open();
    magazine_set_count(first, 7);
    unsigned more = 0;
    for (struct magazine *magazine; (magazine = magazine_open()) != NULL; more++) {
        magazine_set_count(magazine, 9);
    }
    magazine_reset();
    cr_assert_eq(magazine_open(), first);
    cr_assert_eq(magazine_count(first), 0);
    for (unsigned i = 0; i < more; i++) {
        cr_assert_eq(magazine_count(magazine_open()), 0);
    }
    cr_assert_null(magazine_open());
}

/* Runs as one of several threads: opens magazines, checks that no thread has marked them, and marks each with the
 * magazine's address and the thread's number. */
static void open_and_mark(unsigned number)
{
    for (unsigned i = 0; i < MANY / THREADS; i++) {
        struct magazine *magazine = magazine_open();
        if (!CHECK(magazine != NULL)) {
            return;
        }
        CHECK(magazine->slot[0] == NULL);
        magazine->slot[0] = magazine;
        magazine->slot[1] = (void *)(uintptr_t)(number + 1);
        CHECK(magazine->slot[0] == (void *)magazine);
        CHECK(magazine->slot[1] == (void *)(uintptr_t)(number + 1));
    }
}

Test(magazine, threads_open_different_ones)
{
    lay();
    crew_run(THREADS, open_and_mark);
    magazine_reset();
    unsigned owners[THREADS + 1] = {0};
    for (unsigned i = 0; i < MANY; i++) {
        struct magazine *magazine = magazine_open();
        cr_assert_eq(magazine->slot[0], (void *)magazine);
        owners[(uintptr_t)magazine->slot[1]]++;
    }
    for (unsigned number = 1; number <= THREADS; number++) {
        cr_assert_eq(owners[number], MANY / THREADS);
    }
}
