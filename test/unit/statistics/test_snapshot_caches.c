/* Tests of statistics/snapshot.c: the figures of the caches, their quotas, and how often training has changed these. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"

static struct snapshot now;
static void *for_the_stack[20];

static const struct snapshot_figures *look(unsigned bucket)
{
    snapshot_take(&now);
    return &now.bucket[bucket];
}

static void give_as_who_has_no_cache(unsigned number)
{
    (void)number;
    cache_mine = &cache_shared;
    for (unsigned i = 0; i < 20; i++) {
        house_give(for_the_stack[i]);
    }
}

/* If a cache is refilled from the bucket's stack of free slots, it gets several free slots. But this counts as one
 * depot hit, for the request that caused the refill. */
Test(snapshot_caches, run_of_the_stack_is_one_depot_hit)
{
    house_lay_default();
    for (unsigned i = 0; i < 20; i++) {
        for_the_stack[i] = house_take(B64K, 65537, NULL);
    }
    crew_run(1, give_as_who_has_no_cache);
    while (look(B64K)->cached > 0) {
        house_take(B64K, 65537, NULL);
    }
    struct snapshot_figures before = *look(B64K);
    cr_assert_eq(before.depot, 20);
    for (unsigned i = 0; i < 16; i++) {
        house_take(B64K, 65537, NULL);
    }
    cr_assert_eq(look(B64K)->depot_hits, before.depot_hits + 1);
    cr_assert_eq(now.bucket[B64K].cache_hits, before.cache_hits + 15);
    cr_assert_eq(now.bucket[B64K].depot, 4);
    cr_assert_eq(now.bucket[B64K].carved, before.carved);
    house_assert();
}

/* Runs as one of several threads, each of which gets a quota. One thread checks the quotas of all caches in slots and
 * in bytes, the budget, and the kind of pool. */
static void have_a_quota(unsigned number)
{
    static const unsigned buckets[] = {B4K, B16K};
    static struct snapshot seen;
    house_give(house_take(buckets[number], 4097, NULL));
    crew_meet();
    if (number == 0) {
        snapshot_take(&seen);
        CHECK(seen.bucket[B4K].quota == 2 * 10 && seen.bucket[B16K].quota == 2 * 10);
        CHECK(seen.total.quota == 2 * 20);
        CHECK(seen.bucket[B4K].promotions == 1 && seen.total.promotions == 2);
        CHECK(seen.charged == 2 * 10 * (8192 + 20480));
        CHECK(seen.budget == 5 << 20);
        CHECK(seen.kind == KIND_THREAD);
    }
    crew_meet();
}

Test(snapshot_caches, quotas_and_their_sum)
{
    house_pools.cache_limit = 5 << 20;
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        house_pools.training.first[bucket] = 10;
    }
    house_lay_default();
    crew_run(2, have_a_quota);
    snapshot_take(&now);
    cr_assert_eq(now.total.quota, 0, "the threads have ended");
    cr_assert_eq(now.charged, 0);
    cr_assert_eq(now.total.promotions, 2, "the counts of ended threads stay");
}

/* The test gives each counter a different value, so it notices if a figure shows the wrong counter. */
Test(snapshot_caches, steps_are_the_caches_counters)
{
    house_lay_default();
    struct cache_tally *tally = &cache_reach()->tally[B32K];
    struct counter *const counters[] = {&tally->misses,     &tally->walks,   &tally->steals,
                                        &tally->promotions, &tally->growths, &tally->transfers,
                                        &tally->losses,     &tally->decays,  &tally->swaps};
    static const char *const names[] = {"misses",    "walks",  "steals", "promotions", "growths",
                                        "transfers", "losses", "decays", "swaps"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        counter_add(counters[i], 100 + i);
    }
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_assert_eq(*snapshot_find(look(B32K), names[i]), 100 + i, "%s", names[i]);
    }
}

/*
 * The figure `quota` is the number of free slots that all caches together may hold. For each thread's cache, a bucket's
 * quota is added twice, because the cache has two magazines for the bucket. For each processor's cache it is added
 * once, because the cache has one.
 */
Test(snapshot_caches, figures_of_processors)
{
    processors_need();
    house_pools.kind = KIND_CPU;
    house_lay_default();
    processors_pin(0); /* pins the thread, because a free on another processor would count as a second miss */
    house_give(house_take(B16K, 16384, NULL));
    const struct snapshot_figures *figures = look(B16K);
    cr_assert_eq(figures->quota, percpu_records() * MAGAZINE_SLOTS);
    cr_assert_eq(figures->cached, 16);
    cr_assert_eq(figures->requests, 1);
    cr_assert_eq(figures->returned, 1);
    cr_assert_eq(figures->misses, 1);
    cr_assert_eq(figures->cache_hits, 0, "the request carved a slot");
    cr_assert_eq(figures->peak, figures->carved, "the peak is not counted in this kind of pool");
    cr_assert_eq(now.kind, KIND_CPU);
    cr_assert_gt(now.charged, 0);
}

/* A snapshot may read a thread's count of frees while cache_arm changes it in two steps. Between the two steps the
 * count is too low, and may be below zero. It must then be shown as 0. */
Test(snapshot_caches, returned_is_never_below_zero)
{
    house_lay_default();
    house_give(house_take(B16K, 16384, NULL));
    atomic_store(&cache_mine->bin[B16K].returned.count, 0 - UINT64_C(1024));
    cr_assert_eq(look(B16K)->returned, 0);
    cr_assert_eq(now.total.returned, 0);
}
