/* Tests of statistics/snapshot.c: the figures after certain steps, their totals, and figures that are read while other
 * threads allocate and free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

#include "os/os.h"
#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"

enum { THREADS = 4, PLACES = 64, LOOKS = 3000, TAKEN = 160 }; /* TAKEN is more slots than two magazines hold. */

static struct snapshot now;

static const struct snapshot_figures *look(unsigned bucket)
{
    snapshot_take(&now);
    return &now.bucket[bucket];
}

Test(snapshot, has_no_buckets_before_init)
{
    now.buckets = 42;
    now.total.live = 42;
    snapshot_take(&now);
    cr_assert_eq(now.buckets, 0);
    cr_assert_eq(now.total.live, 0);
}

Test(snapshot, all_is_zero_at_init)
{
    static const struct snapshot_figures zero;
    house_lay_default();
    snapshot_take(&now);
    cr_assert_eq(now.buckets, house_plan.count);
    cr_assert_eq(memcmp(&now.total, &zero, sizeof zero), 0);
    for (unsigned bucket = 0; bucket < now.buckets; bucket++) {
        cr_assert_eq(memcmp(&now.bucket[bucket], &zero, sizeof zero), 0);
    }
}

/* Behind a seccomp filter the library may not call mincore, so resident bytes and their sums are unknown. */
Test(snapshot, bytes_in_memory_are_unknown_behind_a_filter)
{
    house_lay_default();
    void *slot = house_take(B16K, 16390, NULL);
    os_add_filter();
    const struct snapshot_figures *figures = look(B16K);
    cr_expect_eq(figures->resident, SNAPSHOT_UNKNOWN);
    cr_expect_eq(figures->resident_live, SNAPSHOT_UNKNOWN);
    cr_expect_eq(figures->resident_free, SNAPSHOT_UNKNOWN);
    cr_expect_eq(figures->resident_purged, SNAPSHOT_UNKNOWN);
    cr_expect_eq(now.total.resident, SNAPSHOT_UNKNOWN);
    cr_expect_eq(now.total.live, 1);
    os_drop_filter();
    cr_expect_neq(look(B16K)->resident, SNAPSHOT_UNKNOWN);
    house_give(slot);
}

Test(snapshot, sum_of_a_known_and_an_unknown_figure_is_unknown)
{
    cr_expect_eq(snapshot_sum(1, 2), 3);
    cr_expect_eq(snapshot_sum(1, SNAPSHOT_UNKNOWN), SNAPSHOT_UNKNOWN);
    cr_expect_eq(snapshot_sum(SNAPSHOT_UNKNOWN, 0), SNAPSHOT_UNKNOWN);
}

/* Twenty slots of 16k are allocated. Slots are carved 16 at a time, so twelve slots of the second sixteen are left. */
Test(snapshot, figures_of_a_trained_bucket)
{
    void *taken[20];
    house_lay_default();
    for (unsigned i = 0; i < 20; i++) {
        taken[i] = house_take(B16K, 16390, NULL);
        /* writes to five pages, so that these are resident whether or not the library has populated them */
        memset(taken[i], 1, 16390);
    }
    for (unsigned i = 0; i < 5; i++) {
        house_give(taken[i]);
    }
    const struct snapshot_figures *figures = look(B16K);
    cr_expect_eq(figures->live, 15);
    cr_expect_eq(figures->cached, 5);
    cr_expect_eq(figures->depot, 0);
    cr_expect_eq(figures->purged, 12);
    cr_expect_eq(figures->carved, 32);
    cr_expect_eq(figures->peak, 20);
    cr_expect_eq(figures->requests, 20);
    cr_expect_eq(figures->asked, 20 * 16390);
    cr_expect_eq(figures->resident, 100 * os_page_size());
    cr_expect_eq(figures->resident_live, 75 * os_page_size());
    cr_expect_eq(figures->resident_free, 25 * os_page_size());
    cr_expect_eq(figures->resident_purged, 0);
    cr_expect_eq(figures->cache_hits, 0);
    cr_expect_eq(figures->depot_hits, 0);
    cr_expect_eq(figures->fell_through, 0);
}

Test(snapshot, figures_of_a_large_bucket)
{
    void *taken[20];
    house_lay_default();
    for (unsigned i = 0; i < 20; i++) {
        taken[i] = house_take(B256K, 262177, NULL);
    }
    for (unsigned i = 0; i < 12; i++) {
        house_give(taken[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        house_take(B256K, 200000, NULL);
    }
    cr_assert_eq(pool_trim(2 * house_plan.stride[B256K]), 2 * house_plan.stride[B256K]);
    pool_count_fall_through(B256K, 250000);
    const struct snapshot_figures *figures = look(B256K);
    cr_expect_eq(figures->live, 12);
    cr_expect_eq(figures->cached, 0);
    cr_expect_eq(figures->depot, 6);
    cr_expect_eq(figures->purged, 2);
    cr_expect_eq(figures->carved, 20);
    cr_expect_eq(figures->peak, 20);
    cr_expect_eq(figures->requests, 24);
    cr_expect_eq(figures->asked, 20 * 262177 + 4 * 200000);
    cr_expect_eq(figures->cache_hits, 0);
    cr_expect_eq(figures->depot_hits, 4);
    cr_expect_eq(figures->fell_through, 1);
    cr_expect_eq(figures->fell_through_asked, 250000);
}

static void take_and_leave(unsigned number)
{
    (void)number;
    void *taken[TAKEN];
    for (unsigned i = 0; i < TAKEN; i++) {
        taken[i] = house_take(B64K, 65537, NULL);
    }
    for (unsigned i = 0; i < TAKEN; i++) {
        house_give(taken[i]);
    }
}

/* Runs as a thread: allocates and frees in two rounds. The first round fills both magazines that the thread's cache has
 * for the bucket, so that the second round can exchange the two. */
static void take_and_leave_twice(unsigned number)
{
    take_and_leave(number);
    take_and_leave(number);
}

/* The free slots of a thread that has ended are in the depot. A request that gets one of them counts as a depot hit. */
Test(snapshot, depot_and_its_hits)
{
    house_lay_default();
    crew_run(1, take_and_leave_twice);
    uint64_t carved = look(B64K)->carved;
    cr_assert_eq(now.bucket[B64K].depot + now.bucket[B64K].purged, carved);
    cr_assert_eq(now.bucket[B64K].live + now.bucket[B64K].cached, 0);
    uint64_t hits = now.bucket[B64K].depot_hits;
    house_take(B64K, 65537, NULL);
    cr_assert_eq(look(B64K)->depot_hits, hits + 1);
    cr_assert_eq(now.bucket[B64K].live, 1);
    cr_assert_eq(now.bucket[B64K].cached + now.bucket[B64K].depot + now.bucket[B64K].purged, carved - 1);
    cr_assert_gt(now.bucket[B64K].cached, 0);
    cr_assert_gt(now.bucket[B64K].swaps, 0);
}

/* Every request was served from a cache, from the depot, by stealing or by carving: the counts of these add up to all
 * requests. */
Test(snapshot, every_request_was_served_by_a_source)
{
    house_lay_default();
    crew_run(THREADS, take_and_leave);
    snapshot_take(&now);
    uint64_t carves = 0;
    for (uint32_t number = 0; number < cache_count(); number++) {
        carves += counter_read(&cache_at(number)->tally[B64K].carves);
    }
    const struct snapshot_figures *figures = &now.bucket[B64K];
    cr_assert_eq(figures->requests, THREADS * TAKEN);
    cr_assert_eq(figures->cache_hits + figures->depot_hits + figures->steals + carves, figures->requests);
}

Test(snapshot, total_is_the_sum)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        for (unsigned i = 0; i <= bucket; i++) {
            house_take(bucket, house_plan.capacity[bucket], NULL);
        }
        house_give(house_take(bucket, house_plan.capacity[bucket], NULL));
        pool_count_fall_through(bucket, 1000);
    }
    snapshot_take(&now);
#define EXPECT_SUM(name, width, type, unit, help)                                                                      \
    do {                                                                                                               \
        uint64_t sum = 0;                                                                                              \
        for (unsigned bucket = 0; bucket < now.buckets; bucket++) {                                                    \
            sum += now.bucket[bucket].name;                                                                            \
        }                                                                                                              \
        cr_expect_eq(now.total.name, sum, #name);                                                                      \
    } while (0);
    SNAPSHOT_ROWS(EXPECT_SUM)
#undef EXPECT_SUM
    cr_assert_eq(now.total.live, BUCKETS * (BUCKETS + 1) / 2);
    cr_assert_eq(now.total.fell_through_asked, BUCKETS * 1000);
}

Test(snapshot, finds_figures_by_name)
{
    const struct snapshot_figures *figures = &now.total;
#define EXPECT_FOUND(name, width, type, unit, help) cr_expect_eq(snapshot_find(figures, #name), &figures->name);
    SNAPSHOT_ROWS(EXPECT_FOUND)
#undef EXPECT_FOUND
    static const char *const none[] = {"", "liv", "lives", "LIVE", "cache-hits", "live ", "bucket"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        cr_expect_null(snapshot_find(figures, none[i]), "'%s' must not name a figure", none[i]);
    }
}

static _Atomic bool over;
static _Atomic(void *) places[PLACES];

static void expect_plausible(const struct snapshot_figures *figures)
{
#define EXPECT_SMALL(name, width, type, unit, help) CHECK(figures->name < UINT64_C(1) << 48);
    SNAPSHOT_ROWS(EXPECT_SMALL)
#undef EXPECT_SMALL
}

/* Runs as a thread: thread 0 reads the figures while the others free each other's slots. No figure may be below zero,
 * because it would be printed as a huge number. */
static void work_or_look(unsigned number)
{
    static struct snapshot seen;
    for (unsigned look = 0; number == 0 && look < LOOKS; look++) {
        snapshot_take(&seen);
        for (unsigned bucket = 0; bucket < seen.buckets; bucket++) {
            expect_plausible(&seen.bucket[bucket]);
        }
    }
    over = over || number == 0;
    for (uint64_t random = number + 1; !over;) {
        unsigned bucket = (unsigned)(crew_random(&random) % (B256K + 1));
        void *slot = house_take(bucket, house_plan.capacity[bucket], NULL);
        if (!CHECK(slot != NULL)) {
            return;
        }
        slot = atomic_exchange(&places[random % PLACES], slot);
        if (slot != NULL) {
            house_give(slot);
        }
    }
}

Test(snapshot, no_figure_is_negative_under_load, .timeout = 60)
{
    house_lay_default();
    crew_run(THREADS, work_or_look);
    house_assert();
}
