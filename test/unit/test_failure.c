/* A kernel that refuses, room by room: each way out is taken, and what was had stays good. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "cache.h"
#include "crew.h"
#include "depot.h"
#include "house.h"
#include "lane.h"
#include "magazine.h"
#include "os_failing.h"
#include "pool.h"
#include "route.h"
#include "slots.h"
#include "table.h"

enum { THREADS = 8, ROUNDS = 20000, EVERYTHING = 1 << 30 };

static void lay(void)
{
    os_failing_never();
    house_lay_default();
}

static uint64_t tally(const struct counter *counter)
{
    return counter_read(counter);
}

Test(failure, reservation_is_refused)
{
    struct bucket_settings settings = house_defaults();
    os_failing_from(1);
    cr_assert_null(house_space(1 << 20));
    cr_assert_not(house_try(&settings, HOUSE_SHIFT));
    cr_assert_not(route_is_pooled(4096));
    cr_assert_not_null(route_take(4096, NULL), "all falls through");
}

Test(failure, cards_may_not_be_read_at_birth)
{
    struct bucket_settings settings = house_defaults();
    os_failing_between(2, 2);
    cr_assert(house_try(&settings, HOUSE_SHIFT));
    cr_assert_eq(os_failing_refusals(), 1);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        house_give(house_take(bucket, house_plan.capacity[bucket], NULL));
    }
    house_assert();
}

static struct table table;

static void open_table(void)
{
    char *start = house_space(1 << 20);
    cr_assert_not_null(start);
    table_open(&table, start, 1 << 20, 64 << 10);
}

/* Short of memory, what is needed now may still be had when a whole step may not. */
Test(failure, table_takes_less_than_a_step)
{
    os_failing_never();
    open_table();
    os_failing_between(1, 1);
    cr_assert(table_reach(&table, 5000));
    cr_assert_eq(os_failing_calls(), 2);
    cr_assert_eq(atomic_load(&table.ready), 8192);
    table.start[8191] = 1;
    cr_assert(table_reach(&table, 8193));
    cr_assert_eq(atomic_load(&table.ready), 8192 + (64 << 10), "a step again, once it can be had");
    cr_assert_eq(table.start[8191], 1);
}

Test(failure, table_stays_as_it_is)
{
    os_failing_never();
    open_table();
    cr_assert(table_reach(&table, 5000));
    size_t ready = atomic_load(&table.ready);
    os_failing_between(1, 2);
    cr_assert_not(table_reach(&table, ready + 1));
    cr_assert_eq(os_failing_refusals(), 2);
    cr_assert_eq(atomic_load(&table.ready), ready);
    cr_assert(table_reach(&table, ready), "what is there needs no kernel");
    cr_assert_eq(os_failing_calls(), 2);
    cr_assert(table_reach(&table, ready + 1), "later it may be had");
}

/*
 * Whichever of a lane's three tables does not grow: nothing is carved, and nothing is lost by the
 * attempt.
 */
Test(failure, lane_carves_nothing)
{
    void *run[16];
    lay();
    for (unsigned call = 1; call <= 3; call++) {
        unsigned bucket = call;
        os_failing_from(call);
        cr_assert_eq(lane_carve(bucket, 16, run), 0);
        cr_assert_eq(lane_carved(bucket), 0);
        os_failing_never();
        cr_assert_eq(lane_carve(bucket, 16, run), 16);
        cr_assert_eq(run[15], lane_slot(bucket, 0));
        memset(run[0], 'x', lanes.lane[bucket].stride);
    }
}

/* A run may be too much where one slot is not: each table in turn refuses a step, then the run. */
Test(failure, lane_carves_one_where_a_run_is_refused)
{
    void *run[16];
    lay();
    for (unsigned call = 1; call <= 3; call++) {
        unsigned bucket = call;
        os_failing_between(call, call + 1);
        cr_assert_eq(lane_carve(bucket, 16, run), 1, "call %u", call);
        cr_assert_eq(os_failing_refusals(), 2);
        cr_assert_eq(run[0], lane_slot(bucket, 0));
        memset(run[0], 'x', lanes.lane[bucket].stride);
        cr_assert_eq(lane_carved(bucket), 1);
        os_failing_never();
        cr_assert_eq(lane_carve(bucket, 16, run), 16);
        cr_assert_eq(run[15], lane_slot(bucket, 1));
    }
}

Test(failure, magazine_cannot_be_opened)
{
    lay();
    os_failing_between(1, 2);
    cr_assert_null(magazine_open());
    cr_assert_null((os_failing_between(1, 2), depot_take_empty(B4K)));
    os_failing_never();
    struct magazine *magazine = magazine_open();
    cr_assert_not_null(magazine);
    cr_assert_eq(magazine_count(magazine), 0);
}

/* A thread without a cache shares one, which holds nothing: the stacks serve it. */
Test(failure, cache_cannot_be_opened)
{
    lay();
    os_failing_between(1, 2);
    char *slot = house_take(B16K, 16384, NULL);
    cr_assert_eq(os_failing_refusals(), 2);
    cr_assert_not_null(slot);
    cr_assert_eq(cache_mine, &cache_shared);
    memset(slot, 'x', 16384);
    house_give(slot);
    cr_assert_eq(house_take(B16K, 16384, NULL), slot);
    cr_assert_eq(tally(&cache_shared.bin[B16K].requests), 2);
    cr_assert_eq(tally(&cache_shared.tally[B16K].stack_hits), 1);
    cr_assert_eq(tally(&cache_shared.tally[B16K].carves), 1);
    cr_assert_eq(lane_carved(B16K), 1, "one at a time");
    house_assert();
}

static void open_own_cache(unsigned number)
{
    (void)number;
    CHECK(cache_reach() != &cache_shared);
}

Test(failure, next_thread_gets_a_cache_again)
{
    lay();
    os_failing_between(1, 2);
    cr_assert_eq(cache_reach(), &cache_shared);
    os_failing_never();
    crew_run(1, open_own_cache);
}

/* Without a magazine slots are carved one at a time, and come back by the stack. */
Test(failure, cache_gets_no_magazine)
{
    lay();
    struct cache *cache = cache_reach();
    os_failing_between(1, 2);
    char *slot = house_take(B16K, 16384, NULL);
    cr_assert_eq(os_failing_refusals(), 2);
    cr_assert_not_null(slot);
    cr_assert_null(cache_private(&cache->bin[B16K]));
    cr_assert_eq(lane_carved(B16K), 1);
    os_failing_between(1, 2);
    house_give(slot);
    cr_assert_eq(os_failing_refusals(), 2);
    cr_assert_eq(tally(&cache->tally[B16K].deposited), 1);
    cr_assert(slots_have_loose(B16K));
    house_assert();
    os_failing_from(1);
    cr_assert_eq(house_take(B16K, 16384, NULL), slot);
    cr_assert_eq(tally(&cache->tally[B16K].stack_hits), 1);
    house_assert();
}

Test(failure, carving_is_refused_but_what_is_free_can_be_had)
{
    void *taken[40];
    lay();
    for (unsigned i = 0; i < 40; i++) {
        taken[i] = house_take(B128K, 100000, NULL);
    }
    for (unsigned i = 0; i < 40; i++) {
        house_give(taken[i]);
    }
    os_failing_from(1);
    for (unsigned i = 0; i < 40; i++) {
        cr_assert_not_null(house_take(B128K, 100000, NULL));
    }
    unsigned more = 0;
    while (house_take(B128K, 100000, NULL) != NULL) {
        more++; /* what the last step of the lane had made ready */
    }
    cr_assert_lt(more, 16U);
    cr_assert_gt(os_failing_refusals(), 0U);
    house_assert();
    char *slot = route_take(100000, NULL);
    cr_assert(slot != NULL && !lane_owns(slot), "then mimalloc serves");
    memset(slot, 'x', 100000);
    route_give("free", slot);
}

/* What the kernel would not take is free, and not zero. */
Test(failure, purge_is_refused)
{
    lay();
    char *slot = house_take(B1M, 1 << 20, NULL);
    memset(slot, 'x', 1 << 20);
    house_give(slot);
    os_failing_from(1);
    cr_assert_eq(pool_trim(EVERYTHING), 0);
    cr_assert_eq(os_failing_refusals(), 1, "it is not asked for ever");
    cr_assert_eq(house_cards(B1M, CARD_FREE), 1);
    house_assert();
    char *zeroed = route_take_zeroed(1, 1 << 20, NULL);
    cr_assert_eq(zeroed, slot);
    cr_assert(zeroed[0] == 0 && memcmp(zeroed, zeroed + 1, (1 << 20) - 1) == 0);
    house_give(slot);
    os_failing_never();
    cr_assert_eq(pool_trim(EVERYTHING), house_plan.stride[B1M]);
    house_assert();
}

static void take_and_give(unsigned number)
{
    char *held[8] = {NULL};
    uint64_t random = number + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned at = (unsigned)(crew_random(&random) % 8);
        if (held[at] != NULL) {
            CHECK(held[at][0] == (char)number && held[at][4095] == (char)number);
            house_give(held[at]);
        }
        unsigned bucket = (unsigned)(random % (B256K + 1));
        held[at] = house_take(bucket, house_plan.size[bucket], NULL);
        if (held[at] != NULL) {
            held[at][0] = held[at][4095] = (char)number;
        }
        if (random % 64 == 0) {
            pool_trim(1 << 20);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (held[i] != NULL) {
            house_give(held[i]);
        }
    }
}

/* Every third call is refused, whoever makes it. */
Test(failure, threads_live_with_refusals)
{
    lay();
    os_failing_every(3);
    crew_run(THREADS, take_and_give);
    cr_assert_gt(os_failing_refusals(), 10U);
    house_assert();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(house_cards(bucket, CARD_LIVE), 0);
    }
}
