/* Races laid by hand: in the middle of one thread's step another one gets ahead of it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache.h"
#include "crew.h"
#include "house.h"
#include "lane.h"
#include "magazine.h"
#include "os_failing.h"
#include "pool.h"
#include "table.h"

static struct table table;

static void grow_far(void)
{
    cr_assert(table_reach(&table, 512 << 10));
    table.start[(512 << 10) - 1] = 1;
}

/* What the faster thread has reached, the slower one must not take back. */
Test(race, table_never_shrinks)
{
    char *start = house_space(1 << 20);
    cr_assert_not_null(start);
    table_open(&table, start, 1 << 20, 16 << 10);
    os_failing_meanwhile(grow_far);
    cr_assert(table_reach(&table, 1));
    cr_assert_geq(atomic_load(&table.ready), (size_t)512 << 10);
    cr_assert_eq(table.start[(512 << 10) - 1], 1);
}

static void *faster[16];
static unsigned faster_count;

static void carve(void)
{
    faster_count = lane_carve(B16K, 16, faster);
}

Test(race, runs_of_slots_do_not_overlap)
{
    void *slower[16];
    house_lay_default();
    os_failing_meanwhile(carve);
    cr_assert_eq(lane_carve(B16K, 16, slower), 16);
    cr_assert_eq(faster_count, 16);
    cr_assert_eq(lane_carved(B16K), 32);
    cr_assert_eq(faster[15], lane_slot(B16K, 0));
    cr_assert_eq(slower[15], lane_slot(B16K, 16));
}

/* The faster one takes all but three: those the slower one gets, and no more. */
static void carve_most(void)
{
    uint32_t left = lanes.lane[B64K].limit - 3;
    while (left > 0) {
        unsigned wanted = left < 16 ? left : 16;
        cr_assert_eq(lane_carve(B64K, wanted, faster), wanted);
        left -= wanted;
    }
}

Test(race, last_slots_are_not_carved_twice)
{
    void *slower[16];
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, 22);
    os_failing_meanwhile(carve_most);
    cr_assert_eq(lane_carve(B64K, 16, slower), 3);
    cr_assert_eq(slower[0], lane_slot(B64K, lanes.lane[B64K].limit - 1));
    cr_assert_eq(lane_carved(B64K), lanes.lane[B64K].limit);
}

static struct magazine *faster_magazine;

static void open_magazine(void)
{
    faster_magazine = magazine_open();
}

Test(race, magazines_are_opened_once)
{
    house_lay_default();
    os_failing_meanwhile(open_magazine);
    struct magazine *slower = magazine_open();
    cr_assert(slower != NULL && faster_magazine != NULL && slower != faster_magazine);
}

static struct cache *faster_cache;

static void reach_cache(unsigned number)
{
    (void)number;
    faster_cache = cache_reach();
}

static void open_cache(void)
{
    crew_run(1, reach_cache);
}

Test(race, caches_are_opened_once)
{
    house_lay_default();
    os_failing_meanwhile(open_cache);
    struct cache *slower = cache_reach();
    cr_assert_neq(slower, faster_cache);
    cr_assert_neq(slower, &cache_shared);
    cr_assert_eq(cache_count(), 3);
}

static char *given;

static void give(void)
{
    house_give(given);
}

/* While a slot is being carved another comes back: nothing is lost, and the next request has it. */
Test(race, slot_that_comes_back_while_another_is_carved)
{
    house_lay_default();
    given = house_take(B1M, 1 << 20, NULL);
    while (lane_carved(B1M) % 8 != 0) { /* to a place where the lane has to grow */
        house_take(B1M, 1 << 20, NULL);
    }
    os_failing_meanwhile(give);
    char *slot = NULL;
    for (unsigned i = 0; i < 8 && card_state(card_read(lane_card(B1M, given))) == CARD_LIVE; i++) {
        slot = house_take(B1M, 1 << 20, NULL);
    }
    cr_assert(slot != NULL && slot != given);
    house_assert();
    cr_assert_eq(house_take(B1M, 1 << 20, NULL), given);
    house_assert();
}
