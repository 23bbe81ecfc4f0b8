/* Tests of the budgets with a thousand threads: the bytes charged for caches, and the bytes of all free memory, are
 * counted exactly. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/quotas.h"

enum { THREADS = 1000, PHASES = 3, USES = 200, WINDOW = 10, LARGEST = B256K };

static unsigned spent; /* how many checks have found fewer bytes left in the budget than the smallest quota costs */

/* Returns the bytes of all free slots that lie outside caches and were not purged. */
static uint64_t retained_memory_held(void)
{
    static struct snapshot snapshot;
    uint64_t held = 0;
    snapshot_take(&snapshot);
    for (unsigned bucket = 0; bucket < snapshot.buckets; bucket++) {
        held += snapshot.bucket[bucket].depot * house_plan.capacity[bucket];
    }
    return held;
}

/* Checks that the library's count of retained memory is the sum over all free slots outside caches that were not
 * purged, and that the limit of SOCKMALLOC_RETAIN is kept. The library counts retained memory only if it has a limit.
 */
static void check_retained(void)
{
    uint64_t retained = retained_memory_held();
    CHECK((uint64_t)budget.retained == retained);
    CHECK(budget_charged() + retained <= budget.retain_limit);
    CHECK(quotas_held() + retained <= budget.retain_limit);
}

static void check_budgets(void)
{
    quotas_check();
    house_check();
    spent += budget_left() < quotas_price(B4K);
    if (budget_limits_retained()) {
        check_retained();
    }
}

/*
 * Waits until all other threads have called this function too. One of them then checks the counts, while no thread
 * allocates or frees.
 */
static void meet(void)
{
    if (crew_meet()) {
        check_budgets();
    }
    crew_meet();
}

/* Runs as a thread: allocates and frees at random, and keeps some slots from one phase of the test to the next. Each
 * phase uses other buckets. */
static void use_several_buckets(unsigned number)
{
    void *held[WINDOW] = {NULL};
    uint64_t random = number + 1;
    for (unsigned phase = 0; phase < PHASES; phase++) {
        for (unsigned use = 0; use < USES; use++) {
            void **slot = &held[crew_random(&random) % WINDOW];
            unsigned bucket = (unsigned)((number + phase + crew_random(&random) % 3) % LARGEST);
            if (*slot != NULL) {
                house_give(*slot);
            }
            *slot = house_take(bucket, house_plan.capacity[bucket], NULL);
            CHECK(*slot != NULL);
            CHECK(budget_charged() <= budget.cache_limit);
        }
        meet();
    }
    for (unsigned i = 0; i < WINDOW; i++) {
        house_give(held[i]);
    }
    meet();
}

static void run_crowd(void)
{
    crew_run(THREADS, use_several_buckets);
    cr_assert_gt(spent, 0U, "the test needs a budget that is spent at times");
    check_budgets();
    cr_assert_null(crew_fault(), "%s", crew_fault());
    cr_assert_eq(budget_charged(), 0, "threads that have ended are charged nothing");
    cr_assert_eq(quotas_held(), 0);
}

Test(training_budget, thousand_threads_stay_within_the_budget, .timeout = 300)
{
    quotas_lay((16 << 20) + 4321);
    run_crowd();
}

/* Every thread gets a quota at its first use of a bucket, as it does with a profile of an earlier run. So the budget is
 * used up at once. */
Test(training_budget, thousand_threads_that_are_promoted_at_once, .timeout = 300)
{
    struct bucket_settings settings = house_defaults();
    house_pools.cache_limit = 16 << 20;
    house_lay(&settings, 30);
    run_crowd();
}

Test(training_budget, budget_of_0_gives_no_quota, .timeout = 300)
{
    quotas_lay(0);
    run_crowd();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(quotas_count(bucket, "promotions"), 0);
    }
}

Test(training_budget, all_free_memory_stays_within_its_limit, .timeout = 300)
{
    house_pools.retain_limit = (20 << 20) + 1234;
    quotas_lay(16 << 20);
    run_crowd();
    uint64_t purged = 0;
    for (unsigned bucket = 0; bucket < LARGEST; bucket++) {
        purged += quotas_count(bucket, "purged");
    }
    cr_assert_gt(purged, 0, "slots beyond the limit were purged");
    cr_assert_leq(retained_memory_held(), house_pools.retain_limit);
}

/* Free slots of the large pool take up the whole limit on free memory. When a cache gets a quota or a larger one, some
 * of these slots must be purged at once, and not only at the next free. */
Test(training_budget, quota_reduces_the_retained_memory)
{
    house_pools.retain_limit = 16 << 20;
    quotas_lay(16 << 20);
    void *taken[16];
    for (unsigned i = 0; i < 16; i++) {
        taken[i] = house_take(B1M, 1 << 20, NULL);
    }
    for (unsigned i = 0; i < 16; i++) {
        house_give(taken[i]);
        check_retained();
    }
    cr_assert_gt(retained_memory_held(), house_pools.retain_limit - house_plan.capacity[B1M]);
    while (quotas_of(B16K) < MAGAZINE_SLOTS) {
        house_take(B16K, 16384, NULL);
        check_retained();
    }
    cr_assert_null(crew_fault(), "%s", crew_fault());
    house_assert();
}

/* If the limit on all free memory is lower than that of the caches, it becomes the limit of the caches too. The first
 * quotas of all five buckets together would exceed this limit. */
Test(training_budget, smaller_limit_counts)
{
    house_pools.retain_limit = 2 << 20;
    quotas_lay(16 << 20);
    cr_assert_eq(budget.cache_limit, house_pools.retain_limit);
    quotas_promote_all(5, (const unsigned[]){B4K, B8K, B16K, B32K, B64K});
    check_budgets();
    cr_assert_null(crew_fault(), "%s", crew_fault());
    cr_assert_lt(budget_charged(), 8 * (8192 + 12288 + 20480 + 36864 + 69632) * 2);
}
