/* Tests of pool/in_use_list.c: the list has each live slot once and is sorted. If the kernel refuses memory for the
 * list, it has only the oldest live slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/region.h"
#include "pool/in_use.h"
#include "pool/in_use_list.h"
#include "pool/pool.h"
#include "route/route.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"

enum { MANY = 3000, UNUSUAL = 4242 /* an errno that no call sets */ };

/* The address of each of these bytes stands for a caller of malloc. Nothing is written to the bytes. */
static char callers[64];

static struct in_use_list list;

static void lay_house(void)
{
    house_pools.kind = KIND_STANDARD;
    house_pools.free_list = 10000;
    house_notes_use = true;
    house_lay_default();
}

/* Allocates a slot, and records that the caller number `caller` has allocated it at the time `taken_at`. Returns the
 * slot. */
static void *take_at(unsigned bucket, size_t request, unsigned caller, uint64_t taken_at)
{
    void *slot = house_take(bucket, request, NULL);
    in_use_note_at(region_number(slot), &callers[caller], taken_at);
    return slot;
}

static void make_list(void)
{
    errno = UNUSUAL;
    in_use_list_make(&list);
    cr_assert_eq(errno, UNUSUAL);
}

/* Checks entry `i` of the list: its slot, caller, time and request. */
static void expect_slot(size_t i, const void *slot, unsigned caller, uint64_t taken_at, size_t request)
{
    const struct in_use_slot *listed = &list.slot[i];
    cr_expect_eq(region_slot(listed->number), slot, "slot %zu", i);
    cr_expect_eq(listed->bucket, region_bucket(listed->number), "slot %zu", i);
    cr_expect_eq(listed->caller, &callers[caller], "slot %zu", i);
    cr_expect_eq(listed->taken_at, taken_at, "slot %zu", i);
    cr_expect_eq(listed->request, request, "slot %zu", i);
}

static void expect_sums(size_t count, uint64_t live, uint64_t bytes)
{
    cr_assert_eq(list.count, count);
    cr_assert_eq(list.live, live);
    cr_assert_eq(list.bytes, bytes);
}

Test(in_use_list, of_nothing)
{
    lay_house();
    house_give(take_at(B16K, 16384, 0, 1));
    make_list();
    expect_sums(0, 0, 0);
    in_use_list_release(&list);
}

/* The list is sorted by caller: the caller with the oldest slot comes first, and the others follow by the age of the
 * oldest slot of each. The slots of one caller are sorted by their age, whatever their bucket. */
Test(in_use_list, groups_by_caller_and_the_oldest_first)
{
    lay_house();
    void *a = take_at(B256K, 262177, 3, 50);
    void *b = take_at(B16K, 16390, 1, 40);
    void *c = take_at(B4K, 4096, 3, 20);
    void *d = take_at(B16K, 16391, 2, 30);
    void *e = take_at(B4K, 5000, 1, 60);
    house_give(take_at(B4K, 4096, 1, 10));
    make_list();
    expect_sums(5, 5, 262177 + 16390 + 4096 + 16391 + 5000);
    expect_slot(0, c, 3, 20, 4096);
    expect_slot(1, a, 3, 50, 262177);
    expect_slot(2, d, 2, 30, 16391);
    expect_slot(3, b, 1, 40, 16390);
    expect_slot(4, e, 1, 60, 5000);
    in_use_list_release(&list);
}

/* The clock by which ages are counted advances in steps, so slots of several callers may have the same age. The slots
 * of each caller must still be adjacent in the list. */
Test(in_use_list, groups_of_one_age_stay_together)
{
    enum { EACH = 30 };
    void *blocks[2 * EACH];
    lay_house();
    for (unsigned i = 0; i < 2 * EACH; i++) {
        blocks[i] = take_at(B16K, 16384 + i, i % 2, 7);
    }
    make_list();
    for (unsigned i = 0; i < 2 * EACH; i++) {
        /* the list begins with the slots of caller 0, in the order in which they were allocated; the slots of caller 1
         * follow */
        unsigned taken = i < EACH ? 2 * i : 2 * (i - EACH) + 1;
        expect_slot(i, blocks[taken], i / EACH, 7, 16384 + taken);
    }
    in_use_list_release(&list);
}

/*
 * If the kernel has refused the memory for a slot's record, the caller and time of the slot are unknown. Such slots
 * come last in the list.
 */
Test(in_use_list, unknown_notes_come_last)
{
    lay_house();
    void *unknown = house_take(B16K, 16384, NULL);
    in_use_note_at(region_number(unknown), NULL, 0);
    void *known = take_at(B16K, 16385, 0, UINT64_MAX - 1);
    make_list();
    expect_slot(0, known, 0, UINT64_MAX - 1, 16385);
    cr_assert_eq(list.slot[1].taken_at, IN_USE_UNKNOWN);
    cr_assert_null(list.slot[1].caller);
    in_use_list_release(&list);
}

/* Allocates `count` small slots, and records random callers and ages for them. Returns the sum of the requests in
 * bytes. */
static uint64_t take_many(unsigned count)
{
    static uint64_t random = 7;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t request = 4096 + i % 1000;
        unsigned bucket = i % 3 == 0 ? B8K : B4K;
        request += bucket == B8K ? 5000 : 0;
        take_at(bucket, request, crew_random(&random) % sizeof callers, 1 + crew_random(&random) % 1000);
        bytes += request;
    }
    return bytes;
}

/* Checks that the list has each live slot once, with the bucket and the caller and time that were recorded for it. */
static void expect_each_once(void)
{
    static bool seen[HOUSE_PAGES];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < list.count; i++) {
        const struct in_use_slot *slot = &list.slot[i];
        struct in_use noted = in_use_find(slot->number);
        uint8_t meta = region_meta(slot->number);
        cr_assert(!seen[slot->number] && meta == slot_meta_of(SLOT_LIVE, slot->bucket));
        cr_assert(noted.caller == slot->caller && noted.taken_at == slot->taken_at);
        cr_assert_eq(region_request(slot->number), slot->request);
        seen[slot->number] = true;
    }
}

/* Checks that the slots of a caller are adjacent in the list, and that the list is sorted. */
static void expect_order(void)
{
    static bool left[sizeof callers];
    memset(left, 0, sizeof left);
    for (size_t i = 1; i < list.count; i++) {
        const struct in_use_slot *slot = &list.slot[i];
        if (slot->caller == slot[-1].caller) {
            cr_assert_leq(slot[-1].taken_at, slot->taken_at);
            cr_assert_eq(slot->group_taken_at, slot[-1].group_taken_at);
            continue;
        }
        cr_assert_leq(slot[-1].group_taken_at, slot->group_taken_at);
        cr_assert_eq(slot->group_taken_at, slot->taken_at);
        left[(const char *)slot[-1].caller - callers] = true;
        cr_assert_not(left[(const char *)slot->caller - callers], "the slots of a caller are not adjacent");
    }
}

Test(in_use_list, of_many)
{
    lay_house();
    uint64_t bytes = take_many(MANY);
    make_list();
    expect_sums(MANY, MANY, bytes);
    expect_each_once();
    expect_order();
    in_use_list_release(&list);
}

static int by_value(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one;
    uint64_t b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* Checks that the ages in the list are those of the oldest live slots. */
static void expect_oldest(void)
{
    static uint64_t all[MANY];
    static uint64_t listed[MANY];
    size_t count = 0;
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        if (slot_meta_state(region_meta(number)) == SLOT_LIVE) {
            all[count++] = in_use_find(number).taken_at;
        }
    }
    for (size_t i = 0; i < list.count; i++) {
        listed[i] = list.slot[i].taken_at;
    }
    qsort(all, count, sizeof all[0], by_value);
    qsort(listed, list.count, sizeof listed[0], by_value);
    cr_assert_arr_eq(listed, all, list.count * sizeof all[0]);
}

/* If the kernel refuses memory for the list, the list has only a few slots: the oldest ones. */
Test(in_use_list, lists_a_few_without_memory)
{
    lay_house();
    uint64_t bytes = take_many(MANY);
    os_failing_between(1, 1);
    make_list();
    os_failing_never();
    expect_sums(IN_USE_FEW, MANY, bytes);
    cr_assert_eq(list.slot, list.few);
    expect_each_once();
    expect_order();
    expect_oldest();
    in_use_list_release(&list);
}

static void take_more(void)
{
    take_many(MANY);
}

/* Other threads allocate slots after the memory of the list was measured and before the list is filled. The list has no
 * space for so many, so it leaves the youngest slots out. */
Test(in_use_list, list_is_bounded_while_threads_allocate)
{
    lay_house();
    take_many(MANY);
    os_failing_meanwhile(take_more);
    make_list();
    cr_assert_eq(list.live, 2 * (uint64_t)MANY);
    cr_assert_eq(list.count, list.capacity);
    cr_assert(list.count >= MANY && list.count < 2 * (size_t)MANY);
    expect_each_once();
    expect_order();
    in_use_list_release(&list);
}

static void give_all(void)
{
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        house_give(region_slot(number));
    }
}

/* Other threads free all slots after the memory of the list was measured. The list is then empty. */
Test(in_use_list, empty_while_threads_free)
{
    lay_house();
    take_many(MANY);
    os_failing_meanwhile(give_all);
    make_list();
    expect_sums(0, 0, 0);
    in_use_list_release(&list);
}

Test(in_use_list, keeps_no_memory)
{
    lay_house();
    size_t before = os_failing_held();
    make_list();
    cr_assert_eq(os_failing_held(), before, "a few slots need no memory for the list");
    in_use_list_release(&list);
    take_many(MANY);
    before = os_failing_held();
    make_list();
    cr_assert_gt(os_failing_held(), before);
    in_use_list_release(&list);
    cr_assert_eq(os_failing_held(), before);
    os_failing_between(1, 1);
    make_list();
    os_failing_never();
    cr_assert_eq(os_failing_held(), before, "the kernel has refused memory for the list, so the list has taken none");
    in_use_list_release(&list);
}
