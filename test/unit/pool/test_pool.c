/* Tests of pool/pool.c: each path of an allocation or a free writes the right metadata, and counts what it does. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "pool/pool.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"

enum { SMALL_SHIFT = 23 };

static void expect_metadata(const void *slot, unsigned state, size_t request)
{
    uint32_t number = region_number(slot);
    cr_assert_eq(slot_meta_state(region_meta(number)), state);
    cr_assert_eq(region_request(number), request);
}

/* Returns the smallest request that the bucket serves: one byte more than the previous bucket can hold. */
static size_t least(unsigned bucket)
{
    return bucket == 0 ? house_plan.minimum : house_plan.capacity[bucket - 1] + 1;
}

Test(pool, large_ones_begin_at_the_plans_bucket)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(pool_is_large(bucket), bucket >= B128K);
    }
}

Test(pool, takes_and_gives_in_every_bucket)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        char *slot = house_take(bucket, least(bucket), NULL);
        cr_assert_not_null(slot);
        cr_assert_eq(region_find(slot).bucket, bucket);
        cr_assert(region_find(slot).exact);
        expect_metadata(slot, SLOT_LIVE, least(bucket));
        memset(slot, 'x', house_plan.capacity[bucket]);
        house_give(slot);
        expect_metadata(slot, SLOT_FREE, least(bucket));
        cr_assert_eq(house_take(bucket, house_plan.capacity[bucket], NULL), slot,
                     "the slot that was freed last comes first");
        expect_metadata(slot, SLOT_LIVE, house_plan.capacity[bucket]);
        cr_assert_eq(slot[0], 'x', "a free writes nothing into the slot");
    }
    house_assert();
}

Test(pool, slots_do_not_overlap)
{
    static char *held[BUCKETS][4];
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        for (unsigned i = 0; i < 4; i++) {
            held[bucket][i] = house_take(bucket, house_plan.capacity[bucket], NULL);
            memset(held[bucket][i], (int)(bucket * 4 + i), house_plan.capacity[bucket]);
        }
    }
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        for (unsigned i = 0; i < 4; i++) {
            const char *slot = held[bucket][i];
            cr_assert(slot[0] == (char)(bucket * 4 + i) &&
                      memcmp(slot, slot + 1, house_plan.capacity[bucket] - 1) == 0);
        }
    }
}

/* pool_alloc also returns the former metadata of the slot, by which calloc knows whether the slot is already zero. */
Test(pool, says_what_the_metadata_was)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        uint8_t was = 42;
        void *slot = house_take(bucket, least(bucket), &was);
        cr_assert_eq(slot_meta_state(was), SLOT_NEVER_USED);
        house_give(slot);
        house_take(bucket, least(bucket), &was);
        cr_assert_eq(was, slot_meta_of(SLOT_FREE, bucket));
    }
}

/* Runs in a thread without a cache of its own. Such a thread has no counters, so pool_alloc_large, a short path of
 * malloc, must not serve the thread's request. */
static void find_no_shortcut(unsigned number)
{
    (void)number;
    CHECK(pool_alloc_large(B1M, 1 << 20) == NULL);
    cache_mine = &cache_shared;
    CHECK(pool_alloc_large(B1M, 1 << 20) == NULL);
}

/* pool_alloc_large, the short path of malloc for large buckets, serves a request if a slot is free and no other work,
 * such as purging, is due. In every other case it returns NULL, and malloc takes the slow path. */
Test(pool, large_shortcut_takes_free_slots_alone)
{
    house_lay_default();
    void *slot = pool_alloc_slow(B1M, 1 << 20, NULL, NULL);
    cr_assert_null(pool_alloc_large(B1M, 1 << 20), "no slot is free");
    house_give(slot);
    crew_run(1, find_no_shortcut);
    cache_set_more(cache_mine, true);
    cr_assert_null(pool_alloc_large(B1M, 1 << 20), "pages that are due must be purged first");
    cache_set_more(cache_mine, false);
    expect_metadata(slot, SLOT_FREE, 1 << 20);
    cr_assert_eq(pool_alloc_large(B1M, 1000000), slot);
    expect_metadata(slot, SLOT_LIVE, 1000000);
    cr_assert_eq(house_figures(B1M)->depot_hits, 1);
    house_give(slot);
    cr_assert_eq(pool_alloc_slow(B1M, 1 << 20, NULL, NULL), slot, "the slow path uses the stack of free slots, too");
    house_give(slot);
    pool_trim(1);
    cr_assert_null(pool_alloc_large(B1M, 1 << 20), "the short path does not use purged slots");
    house_give(house_take(B4K, 4096, NULL));
    cr_assert_null(pool_alloc_large(B4K, 4096), "the short path serves only large buckets");
    house_assert();
}

/* If the bytes of free slots are counted against a limit, no free of a large slot may use the short path of free,
 * because this path purges no slot beyond the limit. With a limit of 0, each freed slot must be purged at once. */
Test(pool, large_shortcut_is_closed_where_retained_memory_is_counted)
{
    house_pools.large_limit = 0;
    house_lay_default();
    for (unsigned i = 0; i < 3; i++) {
        house_give(house_take(B1M, 1 << 20, NULL));
        cr_assert_eq(house_figures(B1M)->purged, 1);
    }
    house_assert();
}

/* The buckets that the next two tests use: two below the first large bucket, and two large ones. */
static const unsigned sampled[] = {B4K, B64K, B128K, B1M};
enum { SAMPLED = sizeof sampled / sizeof sampled[0] };

static void expect_figures(unsigned bucket, uint64_t live, uint64_t requests, uint64_t asked)
{
    const struct snapshot_figures *now = house_figures(bucket);
    cr_assert_eq(now->live, live, "live %lu, not %lu", now->live, live);
    cr_assert_eq(now->requests, requests);
    cr_assert_eq(now->asked, asked);
    house_assert();
}

Test(pool, counts_what_it_does)
{
    house_lay_default();
    for (unsigned i = 0; i < SAMPLED; i++) {
        unsigned bucket = sampled[i];
        size_t request = least(bucket);
        void *taken[20];
        for (unsigned j = 0; j < 20; j++) {
            taken[j] = house_take(bucket, request, NULL);
            expect_figures(bucket, j + 1, j + 1, (j + 1) * request);
        }
        for (unsigned j = 20; j-- > 0;) {
            house_give(taken[j]);
            expect_figures(bucket, j, 20, 20 * request);
        }
        uint64_t carved = house_figures(bucket)->carved;
        for (unsigned j = 0; j < 20; j++) {
            house_take(bucket, request, NULL);
        }
        expect_figures(bucket, 20, 40, 40 * request);
        cr_assert_eq(house_figures(bucket)->carved, carved, "no slot is carved while one is free");
    }
}

Test(pool, knows_the_peak)
{
    house_lay_default();
    for (unsigned i = 0; i < SAMPLED; i++) {
        unsigned bucket = sampled[i];
        void *taken[50];
        for (unsigned j = 0; j < 50; j++) {
            taken[j] = house_take(bucket, least(bucket), NULL);
        }
        cr_assert_eq(house_figures(bucket)->peak, 50);
        for (unsigned j = 0; j < 50; j++) {
            house_give(taken[j]);
        }
        /* The peak of live slots is updated on slow paths only, so the counted peak may be too small: since the last
         * slow path the thread may have allocated up to 15 more slots, because 16 slots are carved at once. */
        cr_assert_leq(house_figures(bucket)->peak, 50);
        cr_assert_gt(house_figures(bucket)->peak, 50 - 16);
        house_take(bucket, least(bucket), NULL);
        cr_assert_gt(house_figures(bucket)->peak, 50 - 16, "the peak does not fall");
    }
}

/* Runs in a child process, because the slots of one bucket fill the whole range and leave nothing for the next test. */
static void fill_the_range(void *argument)
{
    struct bucket_settings settings = house_defaults();
    unsigned bucket = *(const unsigned *)argument;
    house_lay(&settings, SMALL_SHIFT);
    uint32_t limit = house_limit(bucket, SMALL_SHIFT);
    void *last = NULL;
    for (uint32_t i = 0; i < limit; i++) {
        last = house_take(bucket, least(bucket), NULL);
        CHECK(last != NULL);
    }
    CHECK(house_take(bucket, least(bucket), NULL) == NULL);
    CHECK(house_take(bucket, least(bucket), NULL) == NULL);
    /* a request that got no slot is not counted, so there are as many requests as slots */
    CHECK(house_figures(bucket)->requests == limit);
    if (limit > 0) {
        house_give(last);
        CHECK(house_take(bucket, least(bucket), NULL) == last);
    }
    CHECK(house_check());
}

Test(pool, full_range_gives_none)
{
    struct capture capture;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        capture_run(&capture, fill_the_range, &bucket);
        cr_assert(capture_is_clean(&capture), "bucket %u: status %x: %s", bucket, (unsigned)capture.status,
                  capture.words);
    }
}

/* If the rest at the end of the range is too small for a slot of one bucket, slots of smaller buckets are carved there,
 * up to the last page. */
Test(pool, rest_of_the_range_is_for_smaller_ones)
{
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    size_t left = ((size_t)1 << SMALL_SHIFT) - 2 * settings.page;
    for (unsigned bucket = house_plan.count; bucket-- > 0;) {
        uint64_t taken = 0;
        while (house_take(bucket, least(bucket), NULL) != NULL) {
            taken++;
        }
        cr_assert_eq(taken, left / house_plan.stride[bucket], "%s: %lu", house_plan.label[bucket], taken);
        cr_assert_eq(house_figures(bucket)->requests, taken);
        left -= taken * house_plan.stride[bucket];
    }
    house_assert();
}

Test(pool, counts_flushes)
{
    house_lay_default();
    pool_count_fall_through(B16K, 16390);
    pool_count_fall_through(B16K, 16400);
    pool_count_fall_through(B1M, 1000000);
    cr_assert_eq(house_figures(B16K)->fell_through, 2);
    cr_assert_eq(house_figures(B16K)->fell_through_asked, 16390 + 16400);
    cr_assert_eq(house_figures(B1M)->fell_through, 1);
    cr_assert_eq(house_figures(B1M)->fell_through_asked, 1000000);
    cr_assert_eq(house_figures(B16K)->requests, 0);
    house_assert();
}
