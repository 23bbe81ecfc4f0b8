/* The cache room's charges: no cache holds, nor may hold, what the budget has not been charged for.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "memory/region.h"
#include "memory/slots.h"
#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/steps.h"

enum { BUCKET = B64K };

static struct cache *mine;

static void lay(void)
{
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

Test(cache_charge, room_in_both_magazines_is_charged)
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

Test(cache_charge, what_the_budget_has_no_room_for_is_refused)
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
    cr_assert(cache_set_quota(mine, B4K, 1), "there is room for another now");
    cr_assert_not(cache_set_quota(mine, BUCKET, 10));
}

/* At each moment the charge covers what the quota allows, and what lies there. */
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

Test(cache_charge, charge_covers_what_is_there, .timeout = 60)
{
    lay();
    steps_need();
    house_carve(BUCKET, 6);
    expect_covered(3, 1);
    expect_covered(2, 0);
    expect_covered(1, 3);
    expect_covered(0, 2);
}
