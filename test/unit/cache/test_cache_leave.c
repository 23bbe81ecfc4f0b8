/* Tests of a thread that closes its cache before the thread ends: for good, or to open one again later. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "memory/region.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"

enum { BUCKET = B8K, THREADS = 4 };

/* Allocates slots and frees most of them. Afterwards both magazines of the thread have slots, unless another thread has
 * stolen the public one. */
static void use(void)
{
    void *taken[100];
    for (unsigned i = 0; i < 100; i++) {
        taken[i] = house_take(BUCKET, 8192, NULL);
        CHECK(taken[i] != NULL);
    }
    for (unsigned i = 0; i < 90; i++) {
        house_give(taken[i]);
    }
}

Test(cache_leave, returns_all_slots)
{
    house_lay_default();
    use();
    struct cache *cache = cache_mine;
    cr_assert_gt(cache_held(cache, BUCKET), (uint32_t)MAGAZINE_SLOTS);
    cr_assert_eq(cache_open_count(), 1);
    cr_assert_gt(budget_charged(), 0U);
    cache->tally[BUCKET].score = 7;
    cache_leave();
    cr_assert_eq(cache_mine, &cache_none);
    cr_assert_eq(cache_open_count(), 0);
    cr_assert_eq(budget_charged(), 0);
    cr_assert_eq(cache_held(cache, BUCKET), 0);
    cr_assert_eq(cache_quota(cache, BUCKET), 0);
    cr_assert_eq(cache->tally[BUCKET].score, 0);
    house_assert();
}

Test(cache_leave, thread_may_come_back)
{
    house_lay_default();
    use();
    struct cache *cache = cache_mine;
    uint32_t carved = region_carved(BUCKET);
    cache_leave();
    cr_assert_eq(cache_reach(), cache, "the record of the cache that was closed last is used first");
    cr_assert_eq(cache_count(), 2);
    cr_assert_eq(cache_open_count(), 1);
    for (uint32_t left = carved - 10; left > 0; left--) {
        cr_assert_not_null(house_take(BUCKET, 8192, NULL));
    }
    cr_assert_eq(region_carved(BUCKET), carved, "every free slot could be allocated");
    house_assert();
}

Test(cache_leave, thread_without_a_cache_closes_none)
{
    house_lay_default();
    cache_leave();
    cr_assert_eq(cache_mine, &cache_none);
    cr_assert_eq(cache_open_count(), 0);
    cr_assert_eq(cache_count(), 1);
}

static void use_leave_and_end(unsigned number)
{
    (void)number;
    use();
    cache_leave();
}

static void use_leave_and_come_back(unsigned number)
{
    use_leave_and_end(number);
    use();
}

static struct cache *caches[THREADS];

static void open_and_meet(unsigned number)
{
    caches[number] = cache_reach();
    crew_meet();
    CHECK(cache_open_count() == THREADS);
    crew_meet();
}

/* Opens caches in several threads, and checks that each has a record (a struct cache) of its own. If a record had been
 * closed twice, two threads would get it. */
static void expect_distinct_records(void)
{
    crew_run(THREADS, open_and_meet);
    for (unsigned i = 0; i < THREADS; i++) {
        for (unsigned j = 0; j < i; j++) {
            cr_assert_neq(caches[i], caches[j]);
        }
    }
    cr_assert_eq(cache_open_count(), 0);
    cr_assert_eq(budget_charged(), 0);
    house_assert();
}

Test(cache_leave, end_of_the_thread_closes_nothing_twice)
{
    house_lay_default();
    crew_run(THREADS, use_leave_and_end);
    cr_assert_eq(cache_open_count(), 0);
    expect_distinct_records();
}

Test(cache_leave, end_of_a_thread_that_came_back_closes_its_cache)
{
    house_lay_default();
    crew_run(THREADS, use_leave_and_come_back);
    cr_assert_eq(cache_open_count(), 0);
    expect_distinct_records();
}

static pthread_key_t earlier_key;
static pthread_barrier_t gate;

/* A destructor that runs when the thread ends, before the destructor that closes its cache. It makes the thread wait,
 * so that the test can fork meanwhile. */
static void stand_still(void *argument)
{
    (void)argument;
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
}

static void *use_and_end(void *argument)
{
    pthread_setspecific(earlier_key, &gate);
    use();
    return argument;
}

/* Runs as a thread that sets a thread-specific value, because glibc calls destructors only in a thread that has set
 * such a value itself. */
static void *set_value_and_end(void *argument)
{
    static pthread_key_t key;
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, &gate);
    return argument;
}

/*
 * Runs in the fork child: starts a thread. This thread gets the stack of a thread of the parent process that was ending
 * at the fork.
 */
static void end_on_its_stack(void *argument)
{
    pthread_t thread;
    cache_reset();
    pthread_key_delete(earlier_key);
    CHECK(pthread_create(&thread, NULL, set_value_and_end, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(cache_open_count() == 0);
}

/*
 * glibc gives a new thread the stack of a thread that no longer exists, and with the stack the thread-specific values
 * of the old thread. So a new thread of the fork child may find the pointer to the cache of a thread that was ending at
 * the fork. The new thread must not use or close that cache.
 */
Test(cache_leave, child_has_no_cache_of_a_thread_that_was_ending)
{
    pthread_t thread;
    cr_assert_eq(pthread_key_create(&earlier_key, stand_still), 0);
    cr_assert_eq(pthread_barrier_init(&gate, NULL, 2), 0);
    house_lay_default();
    cr_assert_eq(pthread_create(&thread, NULL, use_and_end, NULL), 0);
    pthread_barrier_wait(&gate);
    capture_clean(end_on_its_stack, NULL);
    pthread_barrier_wait(&gate);
    pthread_join(thread, NULL);
}
