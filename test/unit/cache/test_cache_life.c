/* Tests of a thread's cache from its opening until the thread ends, of the reuse of its record (a struct cache) by
 * another thread, and of a full table of records. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "os/os.h"
#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"

enum { THREADS = 8, CROWD = 40, UNUSUAL = 4242 /* an errno that no call sets */ };

static struct cache *caches[CROWD];

Test(cache_life, needs_exactly_the_space_that_it_reports)
{
    size_t space = cache_space();
    cr_assert_eq(space % os_page_size(), 0);
    char *start = house_space(space);
    cr_assert_not_null(start);
    cr_assert(cache_lay());
    cr_assert_eq((size_t)(reserve_cut(0) - start), space);
}

Test(cache_life, cache_is_opened_once)
{
    house_lay_default();
    cr_assert_eq(cache_count(), 1);
    cr_assert_eq(cache_at(0), &cache_shared);
    errno = UNUSUAL;
    struct cache *cache = cache_reach();
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(cache, cache_mine);
    cr_assert_eq(cache_reach(), cache);
    cr_assert_eq(cache_count(), 2);
    cr_assert_eq(cache_at(1), cache);
    cr_assert_eq((uintptr_t)cache % CACHE_LINE, 0);
    cr_assert_not(cache_others_are_open());
}

static void open_cache(unsigned number)
{
    caches[number] = cache_reach();
    CHECK(cache_reach() == caches[number]);
    crew_meet();
    CHECK(cache_others_are_open());
    CHECK(cache_open_count() == THREADS);
    crew_meet();
}

Test(cache_life, each_thread_has_a_cache_of_its_own)
{
    house_lay_default();
    crew_run(THREADS, open_cache);
    cr_assert_eq(cache_count(), THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++) {
        cr_assert_neq(caches[i], &cache_shared);
        for (unsigned j = 0; j < i; j++) {
            cr_assert_neq(caches[i], caches[j]);
        }
    }
    cr_assert_not(cache_others_are_open(), "all other threads have ended");
    cr_assert_eq(cache_open_count(), 0);
    struct cache *cache = cache_reach();
    cr_assert_eq(cache_count(), THREADS + 1, "closed records are used again");
    unsigned same = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        same += caches[i] == cache;
    }
    cr_assert_eq(same, 1);
}

/* Runs as a thread that allocates 100 slots of each trained bucket, frees 90 of them, and ends. */
static void take_and_leave(unsigned number)
{
    void *taken[100];
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        for (unsigned i = 0; i < 100; i++) {
            taken[i] = house_take(bucket, house_plan.capacity[bucket], NULL);
            CHECK(taken[i] != NULL);
        }
        for (unsigned i = 0; i < 90; i++) {
            house_give(taken[i]);
        }
    }
    caches[number] = cache_mine;
    CHECK(cache_held(cache_mine, B4K) > 0);
    CHECK(budget_charged() > 0);
    cache_mine->tally[B4K].score = 7;
}

Test(cache_life, end_returns_all_slots)
{
    house_lay_default();
    crew_run(1, take_and_leave);
    house_assert();
    cr_assert_eq(budget_charged(), 0);
    cr_assert_eq(caches[0]->tally[B4K].score, 0, "the next thread begins untrained");
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        cr_assert_eq(cache_held(caches[0], bucket), 0);
        cr_assert_eq(cache_quota(caches[0], bucket), 0);
        cr_assert_null(cache_private(&caches[0]->bin[bucket]));
        cr_assert_null(atomic_load(&caches[0]->bin[bucket].public_magazine));
        uint32_t carved = region_carved(bucket);
        for (uint32_t left = carved - 10; left > 0; left--) {
            cr_assert_not_null(house_take(bucket, house_plan.capacity[bucket], NULL));
        }
        cr_assert_eq(region_carved(bucket), carved, "every free slot could be allocated");
        house_take(bucket, house_plan.capacity[bucket], NULL);
        cr_assert_gt(region_carved(bucket), carved);
    }
    house_assert();
}

Test(cache_life, next_thread_continues_the_counters)
{
    house_lay_default();
    crew_run(1, take_and_leave);
    uint64_t requests = counter_read(&caches[0]->bin[B8K].requests);
    cr_assert_eq(requests, 100);
    struct cache *former = caches[0];
    crew_run(1, take_and_leave);
    cr_assert_eq(caches[0], former);
    cr_assert_eq(counter_read(&former->bin[B8K].requests), 200);
    cr_assert_eq(cache_returned(former, B8K), 180);
    cr_assert_eq(cache_count(), 2);
    house_assert();
}

static pthread_key_t late_key;

/* A destructor that works with slots after the cache's destructor has run: glibc calls the destructors of keys in the
 * order in which the keys were made, and `late_key` was made after the cache's key. */
static void work_after_the_end(void *argument)
{
    CHECK(cache_mine == &cache_shared);
    CHECK(cache_reach() == &cache_shared);
    house_give(argument);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        size_t size = house_plan.capacity[bucket];
        char *first = house_take(bucket, size, NULL);
        char *second = house_take(bucket, size, NULL);
        if (CHECK(first != NULL && second != NULL && first != second)) {
            first[0] = first[size - 1] = 1;
            second[0] = second[size - 1] = 2;
            CHECK(first[0] == 1 && first[size - 1] == 1);
            house_give(first);
            house_give(second);
        }
    }
    pool_count_fall_through(B4K, 5000);
}

static void work_and_end(unsigned number)
{
    (void)number;
    void *slot = house_take(B4K, 4096, NULL);
    CHECK(cache_mine != &cache_shared);
    CHECK(pthread_setspecific(late_key, slot) == 0);
}

Test(cache_life, thread_works_after_its_end)
{
    house_lay_default();
    cr_assert_eq(pthread_key_create(&late_key, work_after_the_end), 0);
    crew_run(THREADS, work_and_end);
    house_assert();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(counter_read(&cache_shared.bin[bucket].requests), THREADS * 2);
        cr_assert_eq(cache_held(&cache_shared, bucket), 0);
        cr_assert_eq(house_metadata(bucket, SLOT_LIVE), 0);
    }
    cr_assert_eq(counter_read(&cache_shared.bin[B4K].returned), THREADS * 3);
    cr_assert_eq(counter_read(&cache_shared.tally[B4K].fell_through), THREADS);
    cr_assert_eq(counter_read(&cache_shared.tally[B4K].fell_through_asked), THREADS * 5000);
    cr_assert_not(cache_others_are_open());
}

/* Runs as one of CROWD threads, which have their caches at the same time. If the thread has got only the shared cache,
 * it must be able to allocate and free a slot all the same. */
static void crowd(unsigned number)
{
    caches[number] = cache_reach();
    crew_meet();
    if (caches[number] == &cache_shared) {
        char *slot = house_take(B4K, 4096, NULL);
        if (CHECK(slot != NULL)) {
            slot[0] = 1;
            house_give(slot);
        }
    }
    crew_meet();
}

/*
 * If the table has no record for a thread, the thread uses the shared cache, which holds no slot, and its requests are
 * served from the stacks. The whole table has records for more threads than a test can start. So the test maps a page
 * directly behind the first records. This page keeps the table from growing.
 */
Test(cache_life, table_can_be_full)
{
    enum { RECORDS = 32 };
    house_lay_default();
    cr_assert_neq(cache_reach(), &cache_shared);
    char *stranger = (char *)cache_at(1) + os_round_to_pages(RECORDS * sizeof(struct cache));
    cr_assert(os_claim(stranger, os_page_size()));
    cache_leave();
    crew_run(CROWD, crowd);
    uint32_t records = cache_count() - 1;
    cr_assert_eq(records, (uint32_t)RECORDS, "%u records", records);
    uint32_t shared = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        shared += caches[i] == &cache_shared;
    }
    cr_assert_eq(shared, CROWD - records);
    cr_assert_eq(counter_read(&cache_shared.bin[B4K].requests), shared);
    house_assert();
}

Test(cache_life, slots_of_another_threads_cache_can_be_counted)
{
    house_lay_default();
    void *taken[3];
    for (int i = 0; i < 3; i++) {
        taken[i] = house_take(B64K, 65536, NULL);
    }
    cr_assert_eq(cache_held(cache_at(1), B64K), 0);
    cr_assert_eq(cache_fresh(cache_at(1), B64K), region_carved(B64K) - 3);
    house_give(taken[0]);
    house_give(taken[1]);
    cr_assert_eq(cache_held(cache_at(1), B64K), 2);
    cr_assert_eq(cache_held(&cache_shared, B64K), 0);
}

Test(cache_life, reset_closes_all_other_caches)
{
    house_lay_default();
    crew_run(1, take_and_leave);
    struct cache *mine = cache_reach();
    void *slot = house_take(B4K, 4096, NULL);
    house_give(house_take(B4K, 4096, NULL));
    cr_assert_gt(cache_held(mine, B4K), 0U);
    cache_reset();
    cr_assert_eq(cache_held(mine, B4K), 0);
    cr_assert_eq(cache_quota(mine, B4K), 0);
    cr_assert_null(cache_pop(&mine->bin[B4K]));
    cr_assert_eq(cache_reach(), mine);
    cr_assert_eq(cache_open_count(), 1);
    cr_assert_not(cache_others_are_open());
    cr_assert_not_null(slot);
}

Test(cache_life, counters_begin_at_0)
{
    house_lay_default();
    crew_run(2, take_and_leave);
    pool_count_fall_through(B4K, 5000);
    cache_reset_counters();
    for (uint32_t number = 0; number < cache_count(); number++) {
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            const struct cache_bin *bin = &cache_at(number)->bin[bucket];
            const struct cache_tally *tally = &cache_at(number)->tally[bucket];
            cr_expect_eq(counter_read(&bin->requests), 0);
            cr_expect_eq(counter_read(&bin->asked), 0);
            cr_expect_eq(cache_returned(cache_at(number), bucket), 0);
#define EXPECT_ZERO_SLOW(name, help) cr_expect_eq(counter_read(&tally->name), 0, #name);
            COUNTER_SLOW_ROWS(EXPECT_ZERO_SLOW)
#undef EXPECT_ZERO_SLOW
            cr_expect_eq(tally->folded, 0);
        }
    }
}
