/* Tests of route/slack.c: bookkeeping that a program stores at the end of a slot, behind its block, and what realloc
 * and free do with it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <sockmalloc.h>
#include <stdint.h>
#include <string.h>

#include "pool/pool_return.h"
#include "route/route.h"
#include "support/capture.h"
#include "support/house.h"

enum { PAGE = 4096 };

static char *resize(char *bytes, size_t request)
{
    return route_realloc("realloc", bytes, request, NULL);
}

/* Checks that the block has `size` bytes of bookkeeping (slack) at the end of its slot, and that each of them is
 * `value`. */
static void expect_slack(const char *block, size_t size, char value)
{
    size_t found;
    const char *slack = sockmalloc_slack(block, &found);
    cr_assert_eq(found, size);
    if (size == 0) {
        cr_assert_null(slack);
        return;
    }
    cr_assert_eq(slack + size, block + region.geometry[region_bucket(region_number(block))].capacity);
    for (size_t i = 0; i < size; i++) {
        cr_assert_eq(slack[i], value, "byte %zu of %zu", i, size);
    }
}

Test(slack, pieces_are_carved_downwards_and_cleared)
{
    static const struct {
        size_t size, alignment, total;
    } pieces[] = {{100, 1, 100}, {8, 8, 112}, {1, 64, 128}, {64, 64, 192}, {3, 4096, 4096}};
    house_lay_default();
    char *block = route_alloc(8000, NULL);
    memset(block, 'x', house_plan.capacity[B4K]);
    block = resize(block, 4090);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char *piece = sockmalloc_slack_alloc(block, pieces[i].size, pieces[i].alignment);
        cr_assert_not_null(piece);
        cr_assert_eq((uintptr_t)piece % pieces[i].alignment, 0);
        size_t size;
        cr_assert_eq(sockmalloc_slack(block, &size), piece);
        cr_assert_eq(size, pieces[i].total);
        for (size_t at = 0; at < pieces[i].size; at++) {
            cr_assert_eq(piece[at], 0);
        }
        cr_assert_eq(sockmalloc_slack_room(block), house_plan.capacity[B4K] - 4096 - size);
        cr_assert_eq(route_usable_size("malloc_usable_size", block), 4096);
    }
    house_assert();
}

Test(slack, is_refused_where_there_is_no_room)
{
    house_lay_default();
    char *full = route_alloc(8192, NULL);
    char *block = route_alloc(8000, NULL);
    char *small = route_alloc(100, NULL);
    static const struct {
        size_t size, alignment;
        int error;
    } wrong[] = {{193, 1, ENOSPC}, {SIZE_MAX, 1, ENOSPC}, {1, 4096, ENOSPC}, {0, 1, EINVAL},
                 {8, 0, EINVAL},   {8, 24, EINVAL},       {8, 8192, EINVAL}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        cr_assert_null(sockmalloc_slack_alloc(block, wrong[i].size, wrong[i].alignment));
        cr_assert_eq(errno, wrong[i].error, "case %zu", i);
    }
    cr_assert_null(sockmalloc_slack_alloc(full, 1, 1));
    cr_assert_null(sockmalloc_slack_alloc(small, 1, 1), "a block of mimalloc has no slack");
    cr_assert_eq(sockmalloc_slack_room(small), 0);
    expect_slack(block, 0, 0);
    cr_assert_not_null(sockmalloc_slack_alloc(block, 192, 1));
    cr_assert_eq(sockmalloc_slack_room(block), 0);
}

Test(slack, a_slot_of_one_page_has_none)
{
    struct bucket_settings settings = house_defaults();
    settings.headroom = 0;
    house_lay(&settings, HOUSE_SHIFT);
    char *block = route_alloc(4000 + PAGE, NULL);
    char *page = resize(route_alloc(4096, NULL), 2000);
    cr_assert_eq(region.geometry[region_bucket(region_number(page))].pages, 1);
    cr_assert_null(sockmalloc_slack_alloc(page, 1, 1));
    cr_assert_not_null(sockmalloc_slack_alloc(block, 96, 1));
}

Test(slack, realloc_stays_below_it)
{
    house_lay_default();
    char *block = route_alloc(5000, NULL);
    memset(sockmalloc_slack_alloc(block, 1000, 8), 's', 1000);
    size_t room = house_plan.capacity[B4K] - 1000;
    cr_assert_eq(resize(block, room / 16 * 16), block);
    memset(block, 'b', route_usable_size("malloc_usable_size", block));
    cr_assert_eq(resize(block, 1), block, "a block with slack never moves to a smaller slot");
    expect_slack(block, 1000, 's');
}

/* Resizes a block with `size` bytes of bookkeeping (slack) to requests of many sizes. realloc must copy the bookkeeping
 * if the new slot has space for it behind the request. */
Test(slack, realloc_moves_it_along)
{
    static const size_t sizes[] = {16, 1000, 3000};
    house_lay_default();
    for (unsigned bucket = 1; bucket < B4M; bucket++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char *block = route_alloc(5000, NULL);
            memset(block, 'b', 5008);
            memset(sockmalloc_slack_alloc(block, sizes[i], 1), 's', sizes[i]);
            size_t request = house_plan.capacity[bucket] - sizes[i] / 2;
            char *moved = resize(block, request);
            cr_assert_neq(moved, block);
            cr_assert_eq(route_usable_size("malloc_usable_size", moved), (request + 15) / 16 * 16);
            for (size_t at = 0; at < 5008; at++) {
                cr_assert_eq(moved[at], 'b');
            }
            expect_slack(moved, sizes[i], 's');
            route_free("free", moved);
        }
    }
    house_assert();
}

Test(slack, ends_where_no_slot_has_room_for_it)
{
    house_lay_default();
    char *block = route_alloc(5000, NULL);
    memset(block, 'b', 5000);
    cr_assert_not_null(sockmalloc_slack_alloc(block, 2000, 8));
    block = resize(block, house_plan.capacity[B4M]);
    cr_assert(region_owns(block));
    expect_slack(block, 0, 0);
    cr_assert_eq(block[4999], 'b');
    block = resize(block, 5000);
    cr_assert_not_null(sockmalloc_slack_alloc(block, 2000, 8));
    block = resize(block, (size_t)64 << 20);
    cr_assert_not(region_owns(block));
    cr_assert_eq(block[4999], 'b');
    expect_slack(block, 0, 0);
}

Test(slack, goes_with_the_block_and_by_itself)
{
    house_lay_default();
    char *block = route_alloc(5000, NULL);
    cr_assert_not_null(sockmalloc_slack_alloc(block, 2000, 8));
    sockmalloc_slack_free(block);
    expect_slack(block, 0, 0);
    cr_assert_eq(resize(block, 8192), block);
    cr_assert_eq(resize(block, 5000), block);
    cr_assert_not_null(sockmalloc_slack_alloc(block, 2000, 8));
    route_free("free", block);
    cr_assert_eq(route_alloc(5000, NULL), block, "the slot that was freed last comes first");
    expect_slack(block, 0, 0);
    house_assert();
}

/*
 * A bit marks a block with slack. It may still be set after the slot is freed. In a free slot the bit could be taken
 * for the mark that the slot's addresses are being unmapped. Here such a slot lies in a thread's magazine, between
 * slots that pool_return unmaps. pool_return must not unmap this slot.
 */
Test(slack, does_not_look_like_a_slot_that_is_returned)
{
    enum { SLOTS = 64, MIDDLE = SLOTS / 2 };
    house_lay_default();
    char *slot[SLOTS];
    for (unsigned i = 0; i < SLOTS; i++) {
        slot[i] = route_alloc(200000, NULL);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (i != MIDDLE) {
            route_free("free", slot[i]);
        }
    }
    house_mark(slot[MIDDLE], SLOT_FREE | SLOT_SLACK, 200000);
    cr_assert(pool_return() > 0);
    memset(slot[MIDDLE], 'x', 200000); /* faults if the slot was unmapped */
}

static void die_of(void *block)
{
    sockmalloc_slack_alloc(block, 8, 8);
}

Test(slack, of_no_live_block_ends_the_process)
{
    house_lay_default();
    char *block = route_alloc(5000, NULL);
    capture_abort(die_of, block + 64, "sockmalloc_slack_alloc");
    route_free("free", block);
    capture_abort(die_of, block, "freed already");
}
