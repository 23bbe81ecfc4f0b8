/* Tests of cache_refill: slots come from other threads first and from the depot second, and a cache never gets more
 * than its quota. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "cache/magazine.h"
#include "memory/region.h"
#include "pool/pool.h"
#include "support/house.h"
#include "support/neighbours.h"

enum { BUCKET = B64K };

static struct cache *mine;

static void lay(void)
{
    /* the library counts retained memory, which is the free slots outside the caches, only if a limit is set */
    house_pools.retain_limit = UINT64_C(1) << 40;
    mine = neighbours_open(1);
}

static void expect_counts(uint64_t walks, uint64_t steals)
{
    cr_assert_eq(counter_read(&mine->tally[BUCKET].walks), walks);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].steals), steals);
}

static void expect_passed(uint64_t deposited, uint64_t withdrawn)
{
    cr_assert_eq(counter_read(&mine->tally[BUCKET].deposited), deposited);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].withdrawn), withdrawn);
    cr_assert_eq(atomic_load(&budget.retained), (int64_t)((deposited - withdrawn) * region.geometry[BUCKET].capacity));
}

Test(cache_refill, asks_threads_before_the_depot)
{
    lay();
    cr_assert(cache_set_quota(mine, BUCKET, MAGAZINE_SLOTS));
    const struct magazine *magazine = neighbours_equip(neighbour(0), BUCKET, 10);
    struct magazine *other = neighbours_carve(BUCKET, 10);
    cache_deposit(mine, BUCKET, other);
    cr_assert_eq(cache_refill(mine, BUCKET), magazine->slot[9], "the slot that was freed last comes first");
    cr_assert_eq(cache_private(&mine->bin[BUCKET]), magazine);
    cr_assert_eq(cache_held(mine, BUCKET), 9);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].misses), 1);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].depot_hits), 0);
    expect_counts(1, 1);
    expect_passed(20, 10);
    while (cache_pop(&mine->bin[BUCKET]) != NULL) {
    }
    cr_assert_eq(cache_refill(mine, BUCKET), other->slot[9]);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].depot_hits), 1);
    expect_counts(2, 1);
    expect_passed(20, 20);
    cache_deposit(mine, BUCKET, neighbours_carve(BUCKET, 10));
    while (cache_pop(&mine->bin[BUCKET]) != NULL) {
    }
    cr_assert_not_null(cache_refill(mine, BUCKET));
    cr_assert_eq(depot_pop_empty(BUCKET), magazine, "the empty magazine was exchanged for the full one");
}

/* A walk looks at the caches of other threads. A refill needs none if the thread's own public magazine has slots. */
Test(cache_refill, does_not_walk_while_it_has_a_public_magazine)
{
    lay();
    neighbours_equip(neighbour(0), BUCKET, 10);
    const struct magazine *own = neighbours_equip(mine, BUCKET, 3);
    cr_assert_eq(cache_refill(mine, BUCKET), own->slot[2]);
    expect_counts(0, 0);
}

/* The cache has got a magazine with more slots than its quota permits. Checks that the cache keeps the slots at the top
 * of the magazine, and that the lower slots, which were freed earlier, have gone to the depot. */
static void expect_upper_part(const struct magazine *magazine)
{
    void *const *slot = magazine->slot;
    cr_assert_eq(cache_refill(mine, BUCKET), slot[9]);
    cr_assert_eq(cache_held(mine, BUCKET), 3);
    for (unsigned i = 9; i-- > 6;) {
        cr_assert_eq(cache_pop(&mine->bin[BUCKET]), slot[i]);
    }
    expect_passed(10, 4);
    cr_assert_eq(depot_pop_full(BUCKET), magazine);
    cr_assert_eq(magazine_count(magazine), 6);
}

Test(cache_refill, takes_no_more_than_its_quota)
{
    lay();
    cr_assert(cache_set_quota(mine, BUCKET, 4));
    expect_upper_part(neighbours_equip(neighbour(0), BUCKET, 10));
    expect_counts(1, 1);
}

Test(cache_refill, takes_no_more_than_its_quota_from_the_depot)
{
    lay();
    cr_assert(cache_set_quota(mine, BUCKET, 4));
    struct magazine *magazine = neighbours_carve(BUCKET, 10);
    cache_deposit(mine, BUCKET, magazine);
    expect_upper_part(magazine);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].depot_hits), 1);
}

/* If a refill finds a magazine with more slots than the quota permits, it needs an empty magazine for the rest. If no
 * magazine is empty, the refill takes no slot. */
Test(cache_refill, without_an_empty_magazine_takes_nothing)
{
    lay();
    cr_assert(cache_set_quota(mine, BUCKET, 4));
    const struct magazine *magazine = neighbours_equip(neighbour(0), BUCKET, 10);
    while (magazine_open() != NULL) {
    }
    cr_assert_null(cache_refill(mine, BUCKET));
    expect_passed(10, 0);
    cr_assert_eq(depot_pop_full(BUCKET), magazine);
    cr_assert_eq(magazine_count(magazine), 10);
}

/* cache_take_one serves a cache without a quota: it finds a magazine, takes one slot from it, and puts the magazine
 * with the other slots into the depot. */
Test(cache_refill, takes_one_and_puts_the_rest_into_the_depot)
{
    lay();
    const struct magazine *magazine = neighbours_equip(neighbour(0), BUCKET, 3);
    cr_assert_eq(cache_take_one(mine, BUCKET), magazine->slot[2]);
    expect_counts(1, 1);
    expect_passed(3, 1);
    cr_assert_null(neighbours_public(neighbour(0), BUCKET));
    cr_assert_eq(cache_take_one(mine, BUCKET), magazine->slot[1]);
    cr_assert_eq(cache_take_one(mine, BUCKET), magazine->slot[0]);
    expect_passed(3, 3);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].depot_hits), 2);
    cr_assert_null(cache_take_one(mine, BUCKET));
    expect_passed(3, 3);
    expect_counts(4, 1);
    cr_assert_eq(cache_held(mine, BUCKET), 0);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].misses), 0, "a cache without a magazine counts no miss");
    cr_assert_eq(depot_pop_empty(BUCKET), magazine, "the last slot leaves the magazine empty");
}
