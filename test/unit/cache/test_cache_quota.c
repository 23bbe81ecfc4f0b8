/* Tests of cache/cache_quota.c: if a quota rises, the cache can use it immediately. If a quota falls, the slots that no
 * longer fit into the magazines go to the stack of free slots or the depot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "cache/magazine.h"
#include "memory/region.h"
#include "memory/slots.h"
#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/steps.h"

enum { BUCKET = B64K, FULL = MAGAZINE_SLOTS };

static struct cache *mine;

static void lay(void)
{
    /* the library counts retained memory, which is the free slots outside the caches, only if a limit is set */
    house_pools.retain_limit = UINT64_C(1) << 40;
    house_lay_default();
    mine = cache_reach();
    cr_assert_neq(mine, &cache_shared);
}

static void set_quota(uint32_t quota)
{
    cr_assert(cache_set_quota(mine, BUCKET, quota));
}

static struct cache_bin *bin(void)
{
    return &mine->bin[BUCKET];
}

static uint64_t bytes(uint32_t count)
{
    return (uint64_t)count * region.geometry[BUCKET].capacity;
}

static void put(uint32_t number)
{
    void *slot = house_slot(BUCKET, number);
    cr_assert(cache_push(bin(), slot) || cache_flush(mine, BUCKET, slot));
}

/* Carves `count` new slots, and returns a magazine that has them. */
static struct magazine *carve(uint32_t count)
{
    struct magazine *magazine = depot_pop_empty(BUCKET);
    cr_assert_not_null(magazine);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(region_carve(BUCKET, 1, &magazine->slot[i]), 1);
    }
    magazine_set_count(magazine, count);
    return magazine;
}

/*
 * Puts the slots 0 to `open` - 1 of the bucket into the public magazine, and the next `own` slots into the private one.
 */
static void fill(uint32_t open, uint32_t own)
{
    set_quota(FULL);
    if (open > 0) {
        cache_exchange(bin(), carve(open));
    }
    if (own > 0) {
        cache_load(mine, BUCKET, carve(own));
    }
    cr_assert_eq(cache_held(mine, BUCKET), open + own);
}

/* Checks that the cache allocates the slots from number `last` down to number `first` from its own magazines, without
 * the depot and the stack of free slots. */
static void expect_next(uint32_t last, uint32_t first)
{
    for (uint32_t number = last + 1; number-- > first;) {
        void *slot = cache_pop(bin());
        slot = slot != NULL ? slot : cache_refill(mine, BUCKET);
        cr_assert_eq(slot, house_slot(BUCKET, number), "slot %u", number);
    }
}

/* Checks that the bucket's stack of free slots has exactly those that are marked in `free_slots`. */
static void expect_free(const bool free_slots[2 * FULL])
{
    bool found[2 * FULL] = {false};
    uint32_t number;
    while ((number = slots_pop_free(BUCKET)) != STACK_EMPTY) {
        uint32_t at = (number - house_number(BUCKET, 0)) / region.geometry[BUCKET].pages;
        cr_assert(at < 2 * FULL && number == house_number(BUCKET, at), "slot %u", number);
        cr_assert(free_slots[at] && !found[at], "slot %u", number);
        found[at] = true;
    }
    cr_assert_arr_eq(found, free_slots, sizeof found);
}

static void expect_deposited(uint32_t count)
{
    cr_assert_eq(counter_read(&mine->tally[BUCKET].deposited), count);
    cr_assert_eq(atomic_load(&budget.retained), (int64_t)bytes(count));
}

/* --- raised --- */

Test(cache_quota, is_raised_at_once)
{
    lay();
    house_carve(BUCKET, 6);
    fill(0, 0);
    set_quota(3);
    for (uint32_t number = 0; number < 3; number++) {
        put(number);
    }
    cr_assert_not(cache_push(bin(), house_slot(BUCKET, 3)), "full");
    set_quota(5);
    cr_assert(cache_push(bin(), house_slot(BUCKET, 3)));
    cr_assert(cache_push(bin(), house_slot(BUCKET, 4)));
    cr_assert_not(cache_push(bin(), house_slot(BUCKET, 5)));
    cr_assert_null(atomic_load(&bin()->public_magazine));
    expect_next(4, 0);
    expect_deposited(0);
}

/* The larger quota also holds for the public magazine: when that becomes the private one, more slots fit into it. */
Test(cache_quota, is_raised_for_both_magazines)
{
    lay();
    house_carve(BUCKET, 8);
    fill(0, 0);
    set_quota(2);
    for (uint32_t number = 0; number < 4; number++) {
        put(number);
    }
    set_quota(4);
    for (uint32_t number = 4; number < 8; number++) {
        put(number);
    }
    expect_deposited(0);
    cr_assert_eq(cache_held(mine, BUCKET), 8);
}

/* --- lowered --- */

Test(cache_quota, slots_that_fit_stay)
{
    lay();
    fill(20, 10);
    set_quota(20);
    expect_deposited(0);
    cr_assert_eq(cache_held(mine, BUCKET), 30);
    cr_assert_eq(bin()->ceiling - bin()->floor, 20);
    expect_next(29, 20);
    expect_next(19, 0);
    cr_assert_null(cache_refill(mine, BUCKET));
}

/* If the quota falls, the slots that have been free for longest go to the bucket's stack of free slots. The others stay
 * in the magazines in their order. */
Test(cache_quota, both_magazines_are_cut)
{
    bool free_slots[2 * FULL] = {false};
    lay();
    fill(FULL, 50);
    set_quota(20);
    cr_assert_eq(cache_quota(mine, BUCKET), 20);
    cr_assert_eq(cache_held(mine, BUCKET), 40);
    cr_assert_eq(budget_charged(), 2 * bytes(20));
    expect_deposited(FULL - 20 + 50 - 20);
    cr_assert_null(depot_pop_full(BUCKET), "the slots lie on the stack, and not in a magazine");
    cr_assert_not(cache_push(bin(), house_slot(BUCKET, 0)), "the magazine is full");
    expect_next(FULL + 50 - 1, FULL + 30);
    expect_next(FULL - 1, FULL - 20);
    cr_assert_null(cache_refill(mine, BUCKET));
    for (uint32_t number = 0; number < FULL + 50; number++) {
        free_slots[number] = number < FULL - 20 || (number >= FULL && number < FULL + 30);
    }
    expect_free(free_slots);
}

Test(cache_quota, only_the_private_magazine_is_cut)
{
    bool free_slots[2 * FULL] = {true, true, true};
    lay();
    fill(0, 5);
    set_quota(2);
    expect_deposited(3);
    cr_assert_null(atomic_load(&bin()->public_magazine));
    expect_next(4, 3);
    cr_assert_null(cache_refill(mine, BUCKET));
    expect_free(free_slots);
}

Test(cache_quota, only_the_public_magazine_is_cut)
{
    bool free_slots[2 * FULL] = {true, true, true, true};
    lay();
    fill(5, 0);
    set_quota(1);
    expect_deposited(4);
    cr_assert_null(cache_private(bin()));
    expect_next(4, 4);
    cr_assert_null(cache_refill(mine, BUCKET));
    expect_free(free_slots);
}

/* A cache with a quota of 0 has no magazine. So when the quota falls to 0, both magazines go to the depot with their
 * slots. */
Test(cache_quota, quota_of_0_leaves_no_magazine)
{
    const bool none[2 * FULL] = {false};
    lay();
    fill(30, 20);
    set_quota(0);
    cr_assert_eq(cache_held(mine, BUCKET), 0);
    cr_assert_null(cache_private(bin()));
    cr_assert_null(atomic_load(&bin()->public_magazine));
    cr_assert_null(cache_pop(bin()));
    cr_assert_not(cache_push(bin(), house_slot(BUCKET, 0)));
    expect_deposited(50);
    expect_free(none);
    cr_assert_eq(magazine_count(depot_pop_full(BUCKET)), 30, "the private magazine went to the depot first");
    cr_assert_eq(magazine_count(depot_pop_full(BUCKET)), 20);
    cr_assert_null(depot_pop_full(BUCKET));
}

Test(cache_quota, empty_magazines_go_to_the_empty_stack)
{
    lay();
    fill(1, 1);
    const struct magazine *own = cache_private(bin());
    /* slot 1 comes from the private magazine; the next allocation exchanges that magazine for the public one, and gets
     * slot 0 from there */
    expect_next(1, 0);
    cr_assert_eq(atomic_load(&bin()->public_magazine), own);
    const struct magazine *other = cache_private(bin());
    set_quota(0);
    expect_deposited(0);
    cr_assert_null(depot_pop_full(BUCKET));
    cr_assert_eq(depot_pop_empty(BUCKET), own);
    cr_assert_eq(depot_pop_empty(BUCKET), other);
}

/* --- forgotten --- */

Test(cache_quota, begin_forgets_what_training_noted)
{
    lay();
    fill(0, 5);
    struct cache_tally *tally = &mine->tally[BUCKET];
    tally->score = 7;
    tally->want = 8;
    tally->seen = 9;
    cache_begin(mine, BUCKET);
    cr_assert_eq(tally->score, 0);
    cr_assert_eq(tally->want, 0);
    cr_assert_eq(tally->seen, 0);
    cr_assert_eq(cache_quota(mine, BUCKET), FULL, "cache_begin keeps the quota");
    cr_assert_eq(cache_held(mine, BUCKET), 5);
}

/* cache_forget, which the child of a fork calls, removes a cache's quota and magazines, and changes neither the budget
 * nor the depot: the child corrects these two elsewhere. */
Test(cache_quota, forget_changes_neither_budget_nor_depot)
{
    lay();
    fill(30, 20);
    mine->tally[BUCKET].score = 7;
    cache_forget(mine, BUCKET);
    cr_assert_eq(cache_quota(mine, BUCKET), 0);
    cr_assert_eq(cache_held(mine, BUCKET), 0);
    cr_assert_eq(mine->tally[BUCKET].score, 0);
    cr_assert_eq(budget_charged(), 2 * bytes(FULL));
    expect_deposited(0);
    cr_assert_null(depot_pop_full(BUCKET));
    cr_assert_eq(slots_pop_free(BUCKET), STACK_EMPTY);
}

/* A cache carves several new slots (a run) at once. If its quota falls to 0, the cache will not use the rest of the run
 * any more. So the rest must become free for all threads. */
Test(cache_quota, quota_of_0_leaves_no_run)
{
    lay();
    set_quota(1);
    cr_assert_not_null(cache_carve(mine, BUCKET));
    uint32_t left = cache_fresh(mine, BUCKET);
    set_quota(0);
    cr_assert_eq(cache_fresh(mine, BUCKET), 0U);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].purged), left);
}

/* When training decides on a larger quota, one miss counts as much as eight exchanges of magazines. */
Test(cache_quota, misses_and_swaps_count_for_a_larger_quota)
{
    lay();
    house_carve(BUCKET, 5);
    set_quota(2);
    uint16_t *want = &mine->tally[BUCKET].want;
    cr_assert_null(cache_refill(mine, BUCKET));
    cr_assert_eq(*want, CACHE_MISS);
    put(0);
    put(1);
    cr_assert_eq(*want, CACHE_MISS, "getting the first magazine does not count as a miss");
    put(2);
    put(3);
    cr_assert_eq(*want, CACHE_MISS, "getting the second magazine does not count as a miss");
    put(4); /* both magazines were full before this free, so it counts as a miss */
    cr_assert_eq(*want, 2 * CACHE_MISS);
    expect_next(4, 4);
    expect_next(3, 3); /* this slot comes from the public magazine */
    cr_assert_eq(*want, 2 * CACHE_MISS + CACHE_SWAP);
}

/* --- what the budget is charged for --- */

Test(cache_charge, both_magazines_are_charged)
{
    lay();
    cr_assert_eq(cache_quota(mine, BUCKET), 0);
    cr_assert_eq(budget_charged(), 0);
    static const uint32_t quotas[] = {10, 30, 30, 4, 5, MAGAZINE_SLOTS, 1, 0, 0, 7};
    for (size_t i = 0; i < sizeof quotas / sizeof quotas[0]; i++) {
        set_quota(quotas[i]);
        cr_assert_eq(cache_quota(mine, BUCKET), quotas[i]);
        cr_assert_eq(budget_charged(), 2 * bytes(quotas[i]));
    }
    cr_assert(cache_set_quota(mine, B4K, 3));
    cr_assert_eq(budget_charged(), 2 * bytes(7) + 2 * 3 * region.geometry[B4K].capacity);
}

Test(cache_charge, quota_beyond_the_budget_is_refused)
{
    house_pools.cache_limit = 2 * 10 * (uint64_t)(65536 + 4096);
    lay();
    house_carve(BUCKET, 1);
    cr_assert_not(cache_set_quota(mine, BUCKET, 11));
    cr_assert_eq(cache_quota(mine, BUCKET), 0);
    cr_assert_eq(budget_charged(), 0);
    set_quota(10);
    put(0);
    cr_assert_not(cache_set_quota(mine, BUCKET, 11));
    cr_assert_not(cache_set_quota(mine, B4K, 1));
    cr_assert_eq(cache_quota(mine, BUCKET), 10);
    cr_assert_eq(bin()->ceiling - bin()->floor, 10);
    cr_assert_eq(cache_held(mine, BUCKET), 1);
    cr_assert_eq(budget_left(), 0);
    set_quota(9);
    cr_assert(cache_set_quota(mine, B4K, 1), "the budget has bytes for another quota now");
    cr_assert_not(cache_set_quota(mine, BUCKET, 10));
}

/* move_quota changes the quota to `goal`. The test interrupts the change after each instruction. The bytes charged to
 * the budget must always be enough for the slots that the magazines may hold, and for the slots that they do hold. */
static uint32_t goal;

static void move_quota(void)
{
    CHECK(cache_set_quota(mine, BUCKET, goal));
}

static void look_at_charge(void *context)
{
    (void)context;
    CHECK(2 * bytes(cache_quota(mine, BUCKET)) <= budget_charged());
    CHECK(bytes(cache_held(mine, BUCKET)) <= budget_charged());
}

static void expect_covered(uint32_t from, uint32_t to)
{
    bool stopped = true;
    for (unsigned at = 1; stopped; at++) {
        set_quota(from);
        for (uint32_t number = 0; number < 2 * from; number++) {
            put(number);
        }
        goal = to;
        stopped = steps_run(at, move_quota, look_at_charge);
        cr_assert_null(crew_fault(), "after %u instructions: %s", at, crew_fault());
        set_quota(0);
        while (depot_pop_full(BUCKET) != NULL || slots_pop_free(BUCKET) != STACK_EMPTY) {
        }
    }
}

Test(cache_charge, charge_covers_the_quota_at_each_moment, .timeout = 60)
{
    lay();
    steps_need();
    house_carve(BUCKET, 6);
    expect_covered(3, 1);
    expect_covered(2, 0);
    expect_covered(1, 3);
    expect_covered(0, 2);
}
