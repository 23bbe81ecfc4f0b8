/* Tests of pool/pool_atfork.c in the child of a fork: the child finds again the free slots that other threads of its
 * parent held, and its counters agree with the metadata of the slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "cache/magazine.h"
#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/recovered.h"

static struct snapshot snapshot;

static void take_snapshot(void)
{
    snapshot_take(&snapshot);
}

/* --- no other thread has a cache --- */

static struct snapshot before;
static void *cached_slot;

static void recover_alone(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    take_snapshot();
    house_check();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        const struct snapshot_figures *now = &snapshot.bucket[bucket];
        const struct snapshot_figures *then = &before.bucket[bucket];
        CHECK(now->live == then->live);
        CHECK(now->cached == then->cached);
        CHECK(now->depot == then->depot);
        CHECK(now->purged == then->purged);
        CHECK(now->carved == then->carved);
        CHECK(now->requests == 0 && now->asked == 0 && now->fell_through == 0);
        CHECK(now->cache_hits == 0 && now->depot_hits == 0 && now->swaps == 0);
        CHECK(now->peak >= now->live);
    }
    /* In the child the thread's own magazine still has this slot. The child would have dropped the magazine if the
     * parent had had other threads, because the fork could have interrupted these threads. */
    CHECK(house_take(B16K, 16384, NULL) == cached_slot);
    house_give(cached_slot);
    house_check();
}

/* Runs in the child of a fork: makes the pools usable, and then forks a child of its own, which does so again. */
static void recover_twice(void *argument)
{
    struct capture capture;
    recover_alone(argument);
    take_snapshot();
    before = snapshot;
    capture_run(&capture, recover_alone, argument);
    CHECK(capture_is_clean(&capture));
}

/* Brings slots into each possible state: live, in a cache, in the depot, free on a stack, and purged. */
static void lay_retained(void)
{
    void *taken[200];
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        unsigned count = bucket < B256K ? 200 : 10;
        for (unsigned i = 0; i < count; i++) {
            taken[i] = house_take(bucket, house_plan.capacity[bucket], NULL);
            cr_assert_not_null(taken[i]);
        }
        for (unsigned i = 3; i < count; i++) {
            house_give(taken[i]);
        }
        cached_slot = bucket == B16K ? taken[count - 1] : cached_slot;
    }
    pool_trim((size_t)64 << 20);
    pool_count_fall_through(B4K, 5000);
    house_assert();
    take_snapshot();
    before = snapshot;
    cr_assert(before.total.live > 0 && before.total.cached > 0 && before.total.depot > 0 && before.total.purged > 0);
}

Test(pool_atfork_child, retained_stay_and_events_begin_anew)
{
    lay_retained();
    capture_clean(recover_alone, NULL);
    house_assert();
}

Test(pool_atfork_child, child_of_a_child)
{
    lay_retained();
    capture_clean(recover_twice, NULL);
}

/* --- threads that the fork stopped at a known step --- */

/* the first magazine of the magazine table; the test has opened this magazine itself, so no cache has it */
static struct magazine *first_magazine;

static struct {
    char *live; /* allocated, and kept */
    /* the allocating thread had popped this slot from its magazine, and had not yet written to its metadata */
    char *popped;
    /* the freeing thread had marked this slot as free in its metadata, and had not yet pushed it to a magazine */
    char *freed;
} caught;

static void *take_as_a_new_thread(void *argument)
{
    CHECK(cache_reach() != &cache_shared);
    CHECK(house_take(B16K, 16384, NULL) != NULL);
    return argument;
}

/*
 * A new thread of the child reuses the cache record of a thread that only the parent has, so that the table of records
 * does not grow at each fork.
 */
static void expect_records_reused(void)
{
    pthread_t thread;
    uint32_t records = cache_count();
    CHECK(pthread_create(&thread, NULL, take_as_a_new_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(cache_count() == records);
    house_check();
}

static void recover_caught(void *argument)
{
    (void)argument;
    uint32_t live = house_metadata(B16K, SLOT_LIVE);
    pool_atfork_child_at_once();
    recovered_expect();
    /* The child opens magazines from the start of the magazine table again. Otherwise processes that fork again and
     * again would use the table up. */
    CHECK(magazine_open() == first_magazine);
    take_snapshot();
    CHECK(snapshot.bucket[B16K].live == live && live == 1);
    CHECK(slot_meta_state(region_meta(region_number(caught.live))) == SLOT_LIVE);
    CHECK(slot_meta_state(region_meta(region_number(caught.freed))) == SLOT_FREE);
    CHECK(caught.live[0] == 'l' && caught.live[16383] == 'l');
    recovered_take_all_free(B16K);
    CHECK(recovered_is_in_use(caught.popped));
    CHECK(recovered_is_in_use(caught.freed));
    CHECK(caught.live[0] == 'l' && caught.live[16383] == 'l');
    expect_records_reused();
}

/* Does only the first half of an allocation and of a free, and then forks, as if the fork had interrupted the thread
 * there. */
static void fork_in_mid_step(unsigned number)
{
    struct capture capture;
    (void)number;
    void *taken[300]; /* so many slots that some of them go to the depot when they are freed */
    for (unsigned i = 0; i < 300; i++) {
        taken[i] = house_take(B16K, 16384, NULL);
    }
    caught.live = taken[0];
    memset(caught.live, 'l', 16384);
    caught.freed = taken[1];
    for (unsigned i = 2; i < 300; i++) {
        house_give(taken[i]);
    }
    caught.popped = cache_pop(&cache_mine->bin[B16K]);
    uint8_t freed;
    CHECK(slot_meta_free(region_meta(region_number(caught.freed)), &freed));
    region_set_meta(region_number(caught.freed), freed);
    /* makes the child treat this thread's cache as that of a thread which only the parent has */
    struct cache *mine = cache_mine;
    cache_mine = cache_at(1) == mine ? cache_at(2) : cache_at(1);
    capture_run(&capture, recover_caught, NULL);
    cache_mine = mine;
    recovered_expect_clean(&capture);
}

Test(pool_atfork_child, half_done_steps_lose_nothing_that_can_be_known)
{
    house_lay_default();
    first_magazine = magazine_open();
    cache_reach();
    crew_run(1, fork_in_mid_step);
}
