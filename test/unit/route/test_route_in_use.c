/* Tests of route/route.c with SOCKMALLOC_IN_USE: the caller and the age of each block are recorded. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/in_use.h"
#include "pool/pool.h"
#include "route/route.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"

/* The address of each of these bytes stands for a caller of malloc. Nothing is written to the bytes. */
static char callers[4];
enum { MALLOC, RESIZE, OTHER };

static void lay_house(void)
{
    house_pools.kind = KIND_STANDARD;
    house_pools.free_list = 100;
    house_notes_use = true;
    house_lay_default();
}

static struct in_use noted(const void *block)
{
    struct place place = region_find(block);
    cr_assert(region_owns(block) && place.exact);
    return in_use_find(place.number);
}

/* Waits until the clock that counts the ages of blocks has advanced. Returns the new time. */
static uint64_t tick(void)
{
    uint64_t before = in_use_now();
    uint64_t now;
    do {
        now = in_use_now();
    } while (now == before);
    return now;
}

static void expect_noted(const void *block, unsigned caller, uint64_t taken_at)
{
    struct in_use in_use = noted(block);
    cr_assert_eq(in_use.caller, &callers[caller]);
    cr_assert_eq(in_use.taken_at, taken_at);
}

static void expect_noted_now(const void *block, unsigned caller, uint64_t earliest)
{
    struct in_use in_use = noted(block);
    cr_assert_eq(in_use.caller, &callers[caller]);
    cr_assert(in_use.taken_at >= earliest && in_use.taken_at <= in_use_now());
}

static void *resize(void *block, size_t request)
{
    return route_realloc("realloc", block, request, &callers[RESIZE]);
}

Test(route, notes_the_caller)
{
    lay_house();
    uint64_t now = tick();
    expect_noted_now(route_alloc(16384, &callers[MALLOC]), MALLOC, now);
    expect_noted_now(route_alloc_zeroed(2, 8192, &callers[OTHER]), OTHER, now);
    expect_noted_now(route_alloc_aligned(4096, 262177, &callers[MALLOC]), MALLOC, now);
    expect_noted_now(resize(NULL, 30000), RESIZE, now);
}

Test(route, notes_the_last_caller)
{
    lay_house();
    void *block = route_alloc(16384, &callers[MALLOC]);
    house_give(block);
    uint64_t now = tick();
    cr_assert_eq(route_alloc(16385, &callers[OTHER]), block);
    expect_noted_now(block, OTHER, now);
}

Test(route, block_resized_in_place_keeps_its_age)
{
    lay_house();
    void *block = route_alloc(16384, &callers[MALLOC]);
    uint64_t taken_at = noted(block).taken_at;
    tick();
    cr_assert_eq(resize(block, 20480), block);
    expect_noted(block, RESIZE, taken_at);
    cr_assert_eq(resize(block, 10000), block);
    expect_noted(block, RESIZE, taken_at);
}

Test(route, block_that_moves_keeps_its_age)
{
    lay_house();
    void *block = route_alloc(16384, &callers[MALLOC]);
    uint64_t taken_at = noted(block).taken_at;
    tick();
    void *grown = resize(block, 20481);
    cr_assert_neq(grown, block);
    expect_noted(grown, RESIZE, taken_at);
    void *grown_again = resize(grown, 100000); /* this growth skips several buckets */
    cr_assert_neq(grown_again, grown);
    expect_noted(grown_again, RESIZE, taken_at);
    void *shrunk = resize(grown_again, 5000);
    cr_assert_neq(shrunk, grown_again);
    expect_noted(shrunk, RESIZE, taken_at);
    house_assert();
}

Test(route, block_from_mimalloc_is_as_old_as_in_the_pools)
{
    lay_house();
    void *block = route_alloc(100, &callers[MALLOC]);
    cr_assert_not(region_owns(block));
    uint64_t now = tick();
    expect_noted_now(resize(block, 9000), RESIZE, now);
}

/*
 * When a block moves out of the pools, the record of its caller and age is removed, and no other block's record
 * changes.
 */
Test(route, block_that_leaves_the_pools_has_no_note)
{
    lay_house();
    void *block = route_alloc(4096, &callers[MALLOC]);
    void *outside = resize(block, 100);
    cr_assert_not(region_owns(outside));
    expect_noted(block, MALLOC, noted(block).taken_at);
}

static void look_in_a_child(void *block)
{
    pool_atfork_child_at_once();
    struct place place = region_find(block);
    struct in_use in_use = in_use_find(place.number);
    CHECK(in_use.caller == &callers[MALLOC]);
    CHECK(in_use.taken_at != 0 && in_use.taken_at < in_use_now());
    void *other = route_alloc(16384, &callers[OTHER]);
    CHECK(other != block);
    house_check();
}

Test(route, child_keeps_its_parents_notes)
{
    lay_house();
    void *block = route_alloc(16384, &callers[MALLOC]);
    uint64_t taken_at = noted(block).taken_at;
    tick();
    capture_clean(look_in_a_child, block);
    expect_noted(block, MALLOC, taken_at);
}

Test(route, notes_nothing_when_disabled)
{
    house_pools.kind = KIND_STANDARD;
    house_lay_default();
    cr_assert_not(in_use_is_kept());
    void *block = route_alloc(16384, &callers[MALLOC]);
    void *grown = resize(resize(block, 20480), 30000);
    cr_assert_null(noted(grown).caller);
    cr_assert_eq(noted(grown).taken_at, 0);
}
