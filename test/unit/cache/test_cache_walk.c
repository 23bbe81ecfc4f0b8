/* Tests of the walk, in which a thread looks at other threads' caches for slots: which public magazine it steals, and
 * what happens if the owner uses this magazine meanwhile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/cache.h"
#include "cache/depot.h"
#include "cache/magazine.h"
#include "memory/region.h"
#include "memory/slots.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/neighbours.h"
#include "support/steps.h"

enum { BUCKET = B64K, LENGTH = 8 /* how many caches one walk looks at, at most */ };

static struct cache *mine;

static void lay(unsigned count)
{
    mine = neighbours_open(count);
}

static void expect_counts(uint64_t walks, uint64_t steals)
{
    cr_assert_eq(counter_read(&mine->tally[BUCKET].walks), walks);
    cr_assert_eq(counter_read(&mine->tally[BUCKET].steals), steals);
}

Test(cache_walk, takes_a_public_magazine)
{
    lay(3);
    struct magazine *magazine = neighbours_equip(neighbour(1), BUCKET, 10);
    cr_assert_eq(cache_walk(mine, BUCKET), magazine);
    cr_assert_eq(magazine_count(magazine), 10);
    cr_assert_null(neighbours_public(neighbour(1), BUCKET));
    expect_counts(2, 1);
}

/* If a walk has found a magazine in a cache, the next walk begins at the same cache, because its thread may have made
 * another magazine public. */
Test(cache_walk, begins_where_the_last_walk_succeeded)
{
    lay(3);
    for (unsigned round = 0; round < 3; round++) {
        struct magazine *magazine = neighbours_equip(neighbour(1), BUCKET, 10);
        cr_assert_eq(cache_walk(mine, BUCKET), magazine);
        expect_counts(2 + round, 1 + round);
    }
}

Test(cache_walk, never_takes_its_own)
{
    lay(2);
    struct magazine *magazine = neighbours_equip(mine, BUCKET, 10);
    for (unsigned round = 1; round <= 3; round++) {
        cr_assert_null(cache_walk(mine, BUCKET));
        expect_counts(2 * round, 0);
    }
    cr_assert_eq(neighbours_public(mine, BUCKET), magazine);
    cr_assert_eq(magazine_count(magazine), 10);
}

Test(cache_walk, single_thread_visits_no_cache)
{
    lay(0);
    neighbours_equip(mine, BUCKET, 10);
    cr_assert_null(cache_walk(mine, BUCKET));
    expect_counts(0, 0);
}

Test(cache_walk, ignores_empty_private_and_other_magazines)
{
    lay(3);
    struct magazine *empty = neighbours_equip(neighbour(0), BUCKET, 0);
    cr_assert(cache_set_quota(neighbour(1), BUCKET, MAGAZINE_SLOTS));
    cache_load(neighbour(1), BUCKET, neighbours_carve(BUCKET, 5));
    const struct magazine *others = neighbours_equip(neighbour(2), B32K, 5);
    cr_assert_null(cache_walk(mine, BUCKET));
    expect_counts(3, 0);
    cr_assert_eq(neighbours_public(neighbour(0), BUCKET), empty);
    cr_assert_eq(cache_held(neighbour(1), BUCKET), 5);
    cr_assert_eq(neighbours_public(neighbour(2), B32K), others);
}

/* Each look at a cache reads a cache line of another thread, which is slow. So a walk looks at few caches, and the next
 * walk begins where the last one has ended. */
Test(cache_walk, goes_on_where_it_ended)
{
    lay(NEIGHBOURS_MAX);
    struct magazine *magazine = neighbours_equip(neighbour(NEIGHBOURS_MAX - 1), BUCKET, 10);
    cr_assert_null(cache_walk(mine, BUCKET));
    /* the walk has passed the calling thread's own cache, which does not count as a look */
    expect_counts(LENGTH - 1, 0);
    cr_assert_null(cache_walk(mine, BUCKET));
    expect_counts(2 * LENGTH - 1, 0);
    cr_assert_eq(cache_walk(mine, BUCKET), magazine);
    expect_counts(NEIGHBOURS_MAX, 1);
}

/* --- what the owner of the magazine does at the same time --- */

static struct magazine *contested; /* the magazine that one thread steals while its owner uses it */
static struct magazine *found;     /* the magazine that the thief has got, or NULL */
static uint32_t left;              /* how many slots the owner leaves in the magazine */
static uint32_t owners;            /* how many slots the owner has allocated from the magazine */

static void walk(void)
{
    found = cache_walk(mine, BUCKET);
}

/* Plays the owner of a public magazine in the middle of another thread's steal: makes the magazine private, allocates
 * all its slots but `left`, and makes it public again. */
static void use_and_put_back(void *context)
{
    struct cache_bin *bin = &neighbour(0)->bin[BUCKET];
    (void)context;
    if (cache_exchange(bin, NULL) == contested) {
        owners = magazine_count(contested) - left;
        magazine_set_count(contested, left);
        CHECK(cache_exchange(bin, contested) == NULL);
    }
}

/* Checks that the magazine is in exactly one place (with the thief, the owner or the depot), and that its count of
 * slots is right. Returns true if it is in the depot. */
static bool expect_one_place(unsigned at)
{
    struct magazine *full = depot_pop_full(BUCKET);
    struct magazine *empty = depot_pop_empty(BUCKET);
    bool in_depot = empty == contested;
    cr_assert_null(full, "after %u instructions", at);
    cr_assert_eq((found != NULL) + (neighbours_public(neighbour(0), BUCKET) != NULL) + in_depot, 1,
                 "after %u instructions", at);
    cr_assert_eq(magazine_count(contested) + owners, 10, "after %u instructions", at);
    cr_assert(found == NULL || magazine_count(found) > 0, "after %u instructions", at);
    if (in_depot) {
        cr_assert_eq(magazine_count(contested), 0);
    } else {
        depot_push(BUCKET, empty);
    }
    return in_depot;
}

/* Interrupts a steal after each of its instructions. At that moment the owner allocates all slots of the magazine but
 * `slots_left`. Returns how many times the magazine was in the depot afterwards. */
static unsigned contest(uint32_t slots_left)
{
    unsigned in_depot = 0;
    bool stopped = true;
    left = slots_left;
    for (unsigned at = 1; stopped; at++) {
        cache_exchange(&neighbour(0)->bin[BUCKET], contested);
        magazine_set_count(contested, 10);
        owners = 0;
        stopped = steps_run(at, walk, use_and_put_back);
        cr_assert_null(crew_fault(), "after %u instructions: %s", at, crew_fault());
        in_depot += expect_one_place(at);
        cache_exchange(&neighbour(0)->bin[BUCKET], NULL);
    }
    return in_depot;
}

Test(cache_walk, owner_may_use_the_magazine_meanwhile, .timeout = 60)
{
    lay(1);
    steps_need();
    contested = neighbours_equip(neighbour(0), BUCKET, 10);
    cr_assert_eq(contest(3), 0U);
    cr_assert_gt(counter_read(&mine->tally[BUCKET].steals), 20U);
}

/* The thief has looked at the magazine and has not yet taken it. Now the owner allocates all its slots. The thief then
 * gets an empty magazine, and puts it into the depot. */
Test(cache_walk, magazine_emptied_meanwhile_goes_to_the_depot, .timeout = 60)
{
    lay(1);
    steps_need();
    contested = neighbours_equip(neighbour(0), BUCKET, 10);
    cr_assert_gt(contest(0), 0U);
}

static bool owner_has_it;

/* Plays the owner of a public magazine in the middle of another thread's steal: makes the magazine private again, and
 * keeps it. */
static void keep(void *context)
{
    (void)context;
    owner_has_it = cache_exchange(&neighbour(0)->bin[BUCKET], NULL) == contested;
}

Test(cache_walk, magazine_goes_to_the_owner_or_the_thief, .timeout = 60)
{
    bool stopped = true;
    lay(1);
    steps_need();
    contested = neighbours_equip(neighbour(0), BUCKET, 10);
    for (unsigned at = 1; stopped; at++) {
        cache_exchange(&neighbour(0)->bin[BUCKET], contested);
        owner_has_it = false;
        stopped = steps_run(at, walk, keep);
        cr_assert_eq(owner_has_it, found == NULL, "after %u instructions", at);
    }
}

/* Lowers the owner's quota. The test interrupts this function, and another thread then steals the public magazine. */
static void lower(void)
{
    CHECK(cache_set_quota(neighbour(0), BUCKET, 4));
}

static void walk_between(void *context)
{
    (void)context;
    walk();
}

Test(cache_walk, quota_may_be_lowered_meanwhile, .timeout = 60)
{
    bool stopped = true;
    lay(1);
    steps_need();
    contested = neighbours_equip(neighbour(0), BUCKET, 10);
    for (unsigned at = 1; stopped; at++) {
        found = NULL;
        cr_assert(cache_set_quota(neighbour(0), BUCKET, MAGAZINE_SLOTS));
        magazine_set_count(contested, 10);
        for (uint32_t number = 0; number < 10; number++) {
            contested->slot[number] = house_slot(BUCKET, number);
        }
        cache_exchange(&neighbour(0)->bin[BUCKET], contested);
        stopped = steps_run(at, lower, walk_between);
        uint32_t free_slots = 0;
        while (slots_pop_free(BUCKET) != STACK_EMPTY) {
            free_slots++;
        }
        uint32_t in_public = neighbours_public(neighbour(0), BUCKET) != NULL ? magazine_count(contested) : 0;
        uint32_t stolen = found != NULL ? magazine_count(found) : 0;
        cr_assert_eq(free_slots + in_public + stolen, 10, "after %u instructions", at);
        cr_assert(in_public == 0 || stolen == 0, "after %u instructions", at);
    }
}
