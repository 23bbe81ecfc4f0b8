/* Tests of cache/cache_idle.c: when the public magazine of an idle thread goes to the depot, and which thread moves it
 * there. (The public magazine is the one that other threads may steal.) */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/cache.h"
#include "cache/depot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/neighbours.h"
#include "support/steps.h"

/* LOOKS is more than the number of caches, so that one call of cache_collect_idle visits all of them. */
enum { BUCKET = B64K, SLOTS = 10, NEIGHBOURS = 20, LOOKS = 32, AGE = 1000 /* nanoseconds */, FEW = 3 };

static struct cache *mine;
static uint64_t now = 1000000 * AGE;

/* Counts a request and a free of the bucket in the cache of a neighbour (another thread of the test), as if the
 * neighbour had allocated and freed a slot. */
static void use(struct cache *cache, unsigned bucket)
{
    counter_add(&cache->bin[bucket].requests, 1);
    counter_add(&cache->bin[bucket].returned, 1);
}

/* Starts `count` neighbours, which are threads with caches of their own. Each has used the bucket, and has a public
 * magazine. */
static void lay(unsigned count)
{
    mine = neighbours_open(count);
    for (unsigned i = 0; i < count; i++) {
        neighbours_equip(neighbour(i), BUCKET, SLOTS);
        use(neighbour(i), BUCKET);
    }
}

/* Visits all caches, AGE nanoseconds after the last visit. A bucket of a cache counts as idle if its thread has made no
 * request of this bucket since the last visit. */
static void look(void)
{
    now += AGE;
    cache_collect_idle(mine, now, AGE, LOOKS);
}

/* Returns how many of the first `count` neighbours still have a public magazine of the bucket. */
static unsigned still_public(unsigned count, unsigned bucket)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        found += neighbours_public(neighbour(i), bucket) != NULL;
    }
    return found;
}

static void expect_deposited(uint64_t slots)
{
    cr_assert_eq(counter_read(&mine->tally[BUCKET].deposited), slots);
    house_assert();
}

Test(cache_idle, magazine_unused_for_an_age_goes_to_the_depot)
{
    lay(1);
    struct magazine *magazine = neighbours_public(neighbour(0), BUCKET);
    look();
    cr_assert_eq(neighbours_public(neighbour(0), BUCKET), magazine);
    expect_deposited(0);
    look();
    cr_assert_null(neighbours_public(neighbour(0), BUCKET));
    expect_deposited(SLOTS);
    cr_assert_eq(depot_pop_full(BUCKET), magazine);
    cr_assert_eq(magazine_count(magazine), SLOTS);
}

Test(cache_idle, thread_that_made_a_request_keeps_its_magazine)
{
    lay(2);
    for (unsigned round = 0; round < 5; round++) {
        use(neighbour(0), BUCKET);
        look();
    }
    cr_assert_not_null(neighbours_public(neighbour(0), BUCKET));
    cr_assert_null(neighbours_public(neighbour(1), BUCKET));
    expect_deposited(SLOTS);
    look();
    cr_assert_null(neighbours_public(neighbour(0), BUCKET));
    expect_deposited(2 * SLOTS);
}

/* A thread works but has stopped using one bucket. The public magazine of this bucket alone is collected. */
Test(cache_idle, each_bucket_is_idle_by_itself)
{
    lay(1);
    neighbours_equip(neighbour(0), B32K, SLOTS);
    for (unsigned round = 0; round < 3; round++) {
        use(neighbour(0), B32K);
        look();
    }
    cr_assert_not_null(neighbours_public(neighbour(0), B32K));
    cr_assert_null(neighbours_public(neighbour(0), BUCKET));
}

Test(cache_idle, private_magazine_is_not_collected)
{
    lay(1);
    cache_load(neighbour(0), BUCKET, neighbours_carve(BUCKET, SLOTS));
    look();
    look();
    cr_assert_eq(cache_held(neighbour(0), BUCKET), SLOTS);
    expect_deposited(SLOTS);
}

Test(cache_idle, empty_magazine_stays)
{
    lay(0);
    look();
    cr_assert_eq(depot_pop_full(BUCKET), NULL);
    neighbours_equip(mine, BUCKET, 0);
    look();
    look();
    cr_assert_not_null(neighbours_public(mine, BUCKET));
    expect_deposited(0);
}

/* A thread that collects other threads' idle magazines also collects its own. */
Test(cache_idle, own_idle_magazine_is_collected_too)
{
    lay(0);
    neighbours_equip(mine, BUCKET, SLOTS);
    use(mine, BUCKET);
    look();
    cr_assert_not_null(neighbours_public(mine, BUCKET));
    look();
    cr_assert_null(neighbours_public(mine, BUCKET));
    expect_deposited(SLOTS);
}

Test(cache_idle, next_round_begins_an_age_after_the_last)
{
    lay(1);
    look();
    for (unsigned i = 1; i < 10; i++) {
        cache_collect_idle(mine, now + AGE - 1, AGE, LOOKS);
        /* The time in this call lies in the past, as if the thread had been suspended since it read the clock. */
        cache_collect_idle(mine, now - i, AGE, LOOKS);
    }
    expect_deposited(0);
    cache_collect_idle(mine, now + AGE, AGE, LOOKS);
    expect_deposited(SLOTS);
}

/* Each call visits the next few caches, in falling order of their numbers. Cache 1, the caller's own, is visited last.
 * Cache 0 is the shared cache, which is not visited. */
Test(cache_idle, each_call_looks_at_the_next_few)
{
    enum { A_CALL = 7, CALLS = (NEIGHBOURS + 1 + A_CALL - 1) / A_CALL };
    lay(NEIGHBOURS);
    look();
    now += AGE;
    for (unsigned call = 1; call <= CALLS; call++) {
        cache_collect_idle(mine, now, AGE, A_CALL);
        unsigned seen = call < CALLS ? call * A_CALL : NEIGHBOURS;
        cr_assert_eq(still_public(NEIGHBOURS, BUCKET), NEIGHBOURS - seen);
        expect_deposited((uint64_t)seen * SLOTS);
    }
}

static void collect(void)
{
    cache_collect_idle(mine, now, AGE, LOOKS);
}

/* Runs as a second thread in the middle of another thread's call of cache_collect_idle. Calls cache_collect_idle twice:
 * the first call visits FEW caches, and the second one the only cache that is left. */
static void collect_meanwhile(void *context)
{
    (void)context;
    cache_collect_idle(neighbour(0), now, AGE, FEW);
    cache_collect_idle(neighbour(0), now, AGE, 1);
}

/*
 * Two threads collect at once, and each cache must be visited by only one of them in a round. If a cache has made no
 * request since its last visit, it counts as idle. Each neighbour (another thread of the test) makes one request in
 * every round. So a second visit in a round would find a neighbour's cache idle.
 */
Test(cache_idle, each_cache_is_visited_by_one_collector, .timeout = 60)
{
    bool stopped = true;
    lay(FEW);
    steps_need();
    for (unsigned at = 1; stopped; at++) {
        for (unsigned i = 0; i < FEW; i++) {
            use(neighbour(i), BUCKET);
        }
        now += AGE;
        stopped = steps_run(at, collect, collect_meanwhile);
        collect(); /* visits the caches that this round has not visited yet, if any */
        cr_assert_eq(still_public(FEW, BUCKET), FEW, "after %u instructions", at);
    }
    look();
    cr_assert_eq(still_public(FEW, BUCKET), 0);
    house_assert();
}
