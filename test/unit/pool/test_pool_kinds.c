/* Tests of each kind of pool (SOCKMALLOC_POOL): each kind serves and counts every request. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"
#include "support/quotas.h"

/*
 * LISTED is how many free slots the kind `standard` keeps in each bucket. BUDGET is the bytes that all caches may hold.
 */
enum { MANY = 100, FEW = 10, LISTED = 7, THREADS = 12, ROUNDS = 20000, PLACES = 64, BUDGET = 8 << 20 };

static enum kind kinds[] = {KIND_THREAD, KIND_LOCKFREE, KIND_STANDARD, KIND_CPU, KIND_AUTO};

#define EACH_KIND(test)                                                                                                \
    ParameterizedTestParameters(pool_kinds, test)                                                                      \
    {                                                                                                                  \
        return cr_make_param_array(enum kind, kinds, sizeof kinds / sizeof kinds[0]);                                  \
    }                                                                                                                  \
    ParameterizedTest(enum kind *kind, pool_kinds, test)

/* Sets up pools of the kind `kind`. There are never enough threads to make the kind `auto` change to `cpu`. */
static void lay(enum kind kind)
{
    if (kind == KIND_CPU || kind == KIND_AUTO) {
        processors_need();
    }
    house_pools.kind = kind;
    house_pools.crowd = 10 * THREADS;
    house_pools.free_list = LISTED;
    house_pools.cache_limit = BUDGET;
    house_pools.training = (struct training_settings){.frozen = false};
    house_lay_default();
    cr_assert_eq(pool_kind(), kind);
}

static const struct snapshot *look(void)
{
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    return &snapshot;
}

static unsigned count_of(unsigned bucket)
{
    return bucket < B256K ? MANY : FEW;
}

static void take(unsigned bucket, char **taken)
{
    size_t size = house_plan.capacity[bucket];
    for (unsigned i = 0; i < count_of(bucket); i++) {
        uint8_t was;
        taken[i] = house_take(bucket, size, &was);
        cr_assert_not_null(taken[i]);
        cr_assert(!slot_meta_is_zero(was) || (taken[i][0] == 0 && taken[i][size - 1] == 0));
        taken[i][0] = taken[i][size - 1] = (char)i;
    }
}

static void give(unsigned bucket, char **taken)
{
    size_t size = house_plan.capacity[bucket];
    for (unsigned i = 0; i < count_of(bucket); i++) {
        cr_assert(taken[i][0] == (char)i && taken[i][size - 1] == (char)i);
        house_give(taken[i]);
    }
}

/* --- in every kind --- */

EACH_KIND(serves_every_bucket)
{
    char *taken[MANY];
    lay(*kind);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        uint64_t carved = 0;
        for (unsigned round = 1; round <= 3; round++) {
            take(bucket, taken);
            quotas_assert();
            cr_assert_eq(look()->bucket[bucket].live, count_of(bucket));
            give(bucket, taken);
            quotas_assert();
            const struct snapshot_figures *figures = &look()->bucket[bucket];
            cr_assert_eq(figures->live, 0);
            cr_assert_eq(figures->requests, round * count_of(bucket));
            cr_assert_eq(figures->returned, round * count_of(bucket));
            cr_assert_eq(figures->asked, round * count_of(bucket) * house_plan.capacity[bucket]);
            if (pool_is_large(bucket) || *kind == KIND_STANDARD) {
                cr_assert_eq(figures->cache_hits, 0, "no cache of a thread holds slots of this bucket");
            }
            carved = round == 1 ? figures->carved : carved;
            cr_assert_leq(figures->carved, carved + 2 * MAGAZINE_SLOTS,
                          "free slots are used before new ones are carved");
        }
    }
    cr_assert_eq(look()->kind, *kind);
}

EACH_KIND(gives_pages_back_when_told)
{
    char *taken[MANY];
    lay(*kind);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        take(bucket, taken);
        give(bucket, taken);
    }
    uint64_t depot = look()->total.depot;
    uint64_t purged = look()->total.purged;
    cr_assert_gt(depot, 0);
    cr_assert_gt(pool_trim((size_t)1 << 40), 0);
    cr_assert_eq(look()->total.depot, 0);
    cr_assert_eq(look()->total.purged, purged + depot);
    quotas_assert();
    uint64_t carved = look()->bucket[B1M].carved;
    take(B1M, taken);
    cr_assert_eq(look()->bucket[B1M].carved, carved);
    give(B1M, taken);
    cr_assert_gt(look()->bucket[B1M].depot, 0, "slots that are freed later are kept again");
    quotas_assert();
}

EACH_KIND(counts_what_falls_through)
{
    lay(*kind);
    pool_count_fall_through(B16K, 16390);
    pool_count_fall_through(B1M, 1 << 20);
    cr_assert_eq(look()->bucket[B16K].fell_through, 1);
    cr_assert_eq(look()->bucket[B16K].fell_through_asked, 16390);
    cr_assert_eq(look()->total.fell_through, 2);
}

static _Atomic(void *) places[PLACES];
static _Atomic uint64_t requests;

/*
 * Runs as a thread: puts its slots into places that all threads share, and frees the slots that it finds there. In 1000
 * of every 3000 rounds it only frees; these rounds depend on `number`, so that not all threads have them at the same
 * time.
 */
static void hand_over(unsigned number)
{
    uint64_t random = number + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned bucket = (unsigned)(crew_random(&random) % (B256K + 1));
        void *slot = NULL;
        if ((round / 1000 + number) % 3 != 0) {
            slot = house_take(bucket, house_plan.capacity[bucket], NULL);
            CHECK(slot != NULL);
            atomic_fetch_add(&requests, 1);
        }
        slot = atomic_exchange(&places[crew_random(&random) % PLACES], slot);
        if (slot != NULL) {
            house_give(slot);
        }
    }
}

EACH_KIND(threads_hand_over_and_end)
{
    lay(*kind);
    for (unsigned generation = 0; generation < 3; generation++) {
        crew_run(THREADS, hand_over);
        quotas_assert();
    }
    for (unsigned i = 0; i < PLACES; i++) {
        void *slot = atomic_exchange(&places[i], NULL);
        if (slot != NULL) {
            house_give(slot);
        }
    }
    quotas_assert();
    cr_assert_eq(look()->total.live, 0);
    cr_assert_eq(look()->total.requests, requests);
    cr_assert_eq(look()->total.returned, requests);
}

/* --- in one kind --- */

Test(pool_kinds, lockfree_has_no_caches)
{
    char *taken[MANY];
    lay(KIND_LOCKFREE);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert(pool_is_large(bucket));
        take(bucket, taken);
        cr_assert_eq(look()->bucket[bucket].carved, count_of(bucket), "slots are carved one at a time");
        give(bucket, taken);
        cr_assert_eq(look()->bucket[bucket].depot, count_of(bucket));
        cr_assert_eq(look()->bucket[bucket].peak, count_of(bucket));
    }
    cr_assert_eq(look()->total.cached, 0);
    cr_assert_eq(look()->charged, 0);
}

/* In the kind `standard` every bucket has a free list with a bound, even the buckets that are large in other kinds.
 * Slots beyond the bound are purged. */
Test(pool_kinds, standard_keeps_a_list_of_bounded_length)
{
    char *taken[MANY];
    lay(KIND_STANDARD);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_not(pool_is_large(bucket));
        take(bucket, taken);
        give(bucket, taken);
        cr_assert_eq(look()->bucket[bucket].depot, LISTED);
        cr_assert_eq(look()->bucket[bucket].purged, count_of(bucket) - LISTED);
        cr_assert_eq(look()->bucket[bucket].peak, count_of(bucket));
        cr_assert_eq(house_take(bucket, house_plan.capacity[bucket], NULL), taken[LISTED - 1],
                     "the slot that was put on the list last comes first");
    }
    cr_assert_eq(look()->total.cached, 0);
    house_assert();
}

/* Only the buckets below `first_large` have quotas. Each of these buckets gets at least an equal part of the budget,
 * unless the largest quota, MAGAZINE_SLOTS for each processor, needs less. */
Test(pool_kinds, processors_share_the_budget)
{
    lay(KIND_CPU);
    uint64_t share = BUDGET / house_plan.first_large;
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        uint64_t price = percpu_records() * house_plan.capacity[bucket];
        cr_assert_geq(percpu_quota(bucket), share / price < MAGAZINE_SLOTS ? share / price : MAGAZINE_SLOTS);
    }
    cr_assert_lt(budget_left(), percpu_records() * house_plan.capacity[B64K]);
    cr_assert_eq(look()->charged, quotas_charge());
    quotas_assert();
}

Test(pool_kinds, processors_without_a_budget_hold_nothing)
{
    char *taken[MANY];
    processors_need();
    house_pools.kind = KIND_CPU;
    house_pools.cache_limit = 0;
    house_lay_default();
    take(B16K, taken);
    give(B16K, taken);
    cr_assert_eq(look()->bucket[B16K].cached, 0);
    cr_assert_eq(look()->bucket[B16K].depot, MANY);
    quotas_assert();
}

/*
 * Uses two buckets in a thread, and checks that the thread has no cache: in the kind `cpu` only processors have caches.
 */
static void use_and_look(unsigned number)
{
    (void)number;
    house_give(house_take(B16K, 16384, NULL));
    house_give(house_take(B1M, 1 << 20, NULL));
    CHECK(cache_mine == &cache_none);
}

Test(pool_kinds, cpu_opens_no_caches_for_threads)
{
    lay(KIND_CPU);
    crew_run(THREADS, use_and_look);
    cr_assert_eq(cache_count(), 1U);
    cr_assert_eq(cache_open_count(), 0U);
    quotas_assert();
}
