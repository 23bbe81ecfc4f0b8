/* Tests of the pool kind `auto`: if there are many threads, the caches of threads are replaced for good by caches of
 * processors. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "percpu/percpu.h"
#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"
#include "support/quotas.h"

/* CROWD is how many caches of threads must be open for the pool kind `auto` to change to `cpu`, when one more thread
 * needs a cache. BUDGET is in bytes. */
enum { CROWD = 4, MANY = 200, BUDGET = 8 << 20 };

static void lay(void)
{
    processors_need();
    house_pools.kind = KIND_AUTO;
    house_pools.crowd = CROWD;
    house_pools.cache_limit = BUDGET;
    house_pools.training = (struct training_settings){.frozen = false};
    house_lay_default();
    cr_assert_eq(pool_kind(), KIND_AUTO);
}

static void use(unsigned count)
{
    void *taken[MANY];
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(B16K, 16384, NULL);
        CHECK(taken[i] != NULL);
    }
    for (unsigned i = 0; i < count; i++) {
        house_give(taken[i]);
    }
}

/* Runs as one of the first CROWD threads, each of which has a cache with slots. After the change to the caches of
 * processors the thread uses its cache until a request takes the slow path, in which the thread closes the cache. */
static void be_one_of_the_first(void)
{
    use(MANY);
    CHECK(cache_is_own(cache_mine));
    CHECK(cache_held(cache_mine, B16K) > 0);
    CHECK(pool_kind() == KIND_AUTO);
    crew_meet(); /* from here on all of the first threads have caches */
    crew_meet(); /* from here on the pool kind `auto` has changed to the caches of processors */
    CHECK(cache_is_own(cache_mine));
    uint32_t held = cache_held(cache_mine, B16K);
    void *slot = house_take(B16K, 16384, NULL);
    /* the slot comes from the thread's own cache, which the thread still uses */
    CHECK(cache_held(cache_mine, B16K) == held - 1);
    house_give(slot);
    use(MANY);
    CHECK(cache_mine == &cache_none);
    crew_meet(); /* from here on no thread has a cache any more */
}

/* Runs as the last thread. CROWD other threads have caches by then, so the first request of this thread makes the pool
 * kind `auto` change to the caches of processors. */
static void be_one_too_many(void)
{
    crew_meet();
    CHECK(pool_kind() == KIND_AUTO);
    CHECK(cache_open_count() == CROWD);
    house_check();
    CHECK(percpu_records() == 0);
    void *slot = house_take(B16K, 16384, NULL);
    CHECK(slot != NULL);
    CHECK(pool_kind() == KIND_CPU);
    CHECK(cache_mine == &cache_none);
    CHECK(percpu_records() > 0);
    quotas_check();
    house_check();
    crew_meet();
    crew_meet();
    CHECK(cache_open_count() == 0);
    quotas_check();
    house_check();
    house_give(slot);
}

static void come_in_a_crowd(unsigned number)
{
    if (number < CROWD) {
        be_one_of_the_first();
    } else {
        be_one_too_many();
    }
}

Test(pool_auto, turns_when_threads_are_too_many_and_never_back)
{
    lay();
    crew_run(CROWD + 1, come_in_a_crowd);
    cr_assert_eq(pool_kind(), KIND_CPU);
    quotas_assert();
    cr_assert_eq(budget_charged(), percpu_charge(), "the budget counts only the caches of processors");
    cr_assert_lt(budget_left(), quotas_price(B64K) * percpu_records(),
                 "the caches of processors have got the budget of the caches of threads");
    use(MANY);
    cr_assert_eq(cache_mine, &cache_none, "threads get no caches again, although there are few threads");
    cr_assert_eq(pool_kind(), KIND_CPU);
    struct snapshot snapshot;
    snapshot_take(&snapshot);
    cr_assert_eq(snapshot.kind, KIND_CPU);
    cr_assert_eq(snapshot.bucket[B16K].requests, (2 * CROWD + 1) * MANY + CROWD + 1);
    cr_assert_eq(snapshot.bucket[B16K].live, 0);
    quotas_assert();
}

/* Runs as one of CROWD threads that exist at one time. The test starts such threads ten times, each time after the
 * earlier ones have ended. The pool kind `auto` must not change to the caches of processors, because threads that have
 * ended do not count. */
static void come_alone(unsigned number)
{
    (void)number;
    use(MANY);
    CHECK(cache_is_own(cache_mine));
}

Test(pool_auto, those_who_are_gone_are_no_crowd)
{
    lay();
    for (unsigned i = 0; i < 10; i++) {
        crew_run(CROWD, come_alone);
    }
    cr_assert_eq(pool_kind(), KIND_AUTO);
    cr_assert_eq(percpu_records(), 0U);
    cr_assert_eq(budget_charged(), 0);
    quotas_assert();
}

/* Runs as a thread that has a cache. The pool kind `auto` changes to the caches of processors meanwhile. The thread
 * closes its cache when it ends. */
static void end_with_a_cache(unsigned number)
{
    if (number < CROWD) {
        use(MANY);
        crew_meet();
        crew_meet();
        CHECK(cache_is_own(cache_mine));
    } else {
        crew_meet();
        use(1);
        CHECK(pool_kind() == KIND_CPU);
        crew_meet();
    }
}

Test(pool_auto, caches_of_before_end_with_their_threads)
{
    lay();
    crew_run(CROWD + 1, end_with_a_cache);
    cr_assert_eq(cache_open_count(), 0U);
    quotas_assert();
    cr_assert_eq(budget_charged(), percpu_charge());
}

/* After the pool kind `auto` has changed to the caches of processors, all slots that were in the caches of threads can
 * be allocated again. The test's thread runs on one processor, so it cannot get the slots in the caches of the other
 * processors, of which there are at most MAGAZINE_SLOTS in each. */
Test(pool_auto, nothing_is_lost_at_the_turn)
{
    lay();
    crew_run(CROWD + 1, come_in_a_crowd);
    pool_trim((size_t)1 << 40);
    struct snapshot snapshot;
    snapshot_take(&snapshot);
    uint64_t out_of_reach = MAGAZINE_SLOTS * (percpu_records() - 1);
    uint64_t carved = snapshot.bucket[B16K].carved;
    for (uint64_t i = out_of_reach; i < carved; i++) {
        cr_assert_not_null(house_take(B16K, 16384, NULL));
    }
    snapshot_take(&snapshot);
    cr_assert_eq(snapshot.bucket[B16K].carved, carved);
    quotas_assert();
}
