/* Tests of training under a load whose request sizes change halfway: the quotas must change accordingly. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/quotas.h"

/* WINDOW slots are in use at once. Two magazines of QUOTA slots can hold all of them. */
enum { WINDOW = 40, QUOTA = 32, CYCLES = 100, CROWD = 6 };

/* The quota of a bucket before a request, and how many rises and falls of the quota had been counted by then. */
struct lesson {
    uint32_t quota;
    uint64_t raises;
    uint64_t falls;
};

static struct lesson lesson_of(unsigned bucket)
{
    const struct cache_tally *tally = &cache_mine->tally[bucket];
    return (struct lesson){
        .quota = quotas_of(bucket),
        .raises = counter_read(&tally->promotions) + counter_read(&tally->growths) + counter_read(&tally->transfers),
        .falls = counter_read(&tally->losses) + counter_read(&tally->decays),
    };
}

/* Compares the bucket's quota with its quota `before`. A rise must have been counted exactly if the quota has risen,
 * and a fall exactly if it has fallen. At most one rise may have been counted. */
static void expect_lesson(unsigned bucket, const struct lesson *before)
{
    struct lesson now = lesson_of(bucket);
    CHECK((now.quota > before->quota) == (now.raises > before->raises));
    CHECK((now.quota < before->quota) == (now.falls > before->falls));
    CHECK(now.raises <= before->raises + 1);
}

/* Compares the quotas of all buckets with the quotas at the last call, and with the bytes charged to the budget. */
static void watch(void)
{
    static struct lesson before[BUCKETS];
    uint64_t charge = 0;
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        expect_lesson(bucket, &before[bucket]);
        before[bucket] = lesson_of(bucket);
        charge += before[bucket].quota * quotas_price(bucket);
    }
    CHECK(budget_charged() == charge);
    CHECK(charge <= budget.cache_limit);
}

/* Runs one half of the load, in which all requests are for this bucket. */
static void work(unsigned bucket)
{
    void *taken[WINDOW];
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        for (unsigned i = 0; i < WINDOW; i++) {
            taken[i] = house_take(bucket, house_plan.capacity[bucket], NULL);
            CHECK(taken[i] != NULL);
            watch();
        }
        for (unsigned i = 0; i < WINDOW; i++) {
            house_give(taken[i]);
            watch();
        }
    }
    cr_assert_null(crew_fault(), "%s", crew_fault());
    house_assert();
}

/* Runs one half of the load in this bucket, and returns how many requests and frees missed. With a first quota of 8
 * slots several would miss in each cycle, because WINDOW slots are allocated and freed. */
static uint64_t misses_of(unsigned bucket)
{
    uint64_t before = quotas_count(bucket, "misses");
    work(bucket);
    return quotas_count(bucket, "misses") - before;
}

Test(training_shift, quotas_follow_the_workload)
{
    quotas_lay((uint64_t)QUOTA * 2 * 20480);
    work(B16K);
    cr_assert_eq(quotas_of(B16K), QUOTA, "the bucket has the whole budget");
    cr_assert_eq(budget_left(), 0);
    uint32_t most = (uint32_t)(budget.cache_limit / quotas_price(B64K));

    work(B64K);
    cr_assert_eq(quotas_of(B64K), most, "%u, not %u", quotas_of(B64K), most);
    cr_assert_leq(quotas_of(B16K) * quotas_price(B16K), quotas_price(B64K),
                  "the old bucket keeps %u slots, which are more bytes than one slot of the new bucket",
                  quotas_of(B16K));
    cr_assert_gt(quotas_count(B16K, "losses") + quotas_count(B16K, "decays"), 0);

    work(B16K);
    cr_assert_eq(quotas_of(B16K), QUOTA, "%u", quotas_of(B16K));
    cr_assert_eq(quotas_of(B64K), 0U);
    cr_assert_lt(misses_of(B16K), CYCLES / 10, "once learnt, requests are served by the cache");
}

/* Runs the same load without training, which is the default of the tests. The quotas must stay as they were set. */
Test(training_shift, frozen_quotas_do_not)
{
    house_pools.training.first[B16K] = QUOTA;
    house_pools.training.first[B64K] = 0;
    house_pools.cache_limit = (uint64_t)QUOTA * 2 * 20480;
    house_lay_default();
    cache_reach();
    work(B16K);
    work(B64K);
    cr_assert_eq(quotas_of(B16K), QUOTA);
    cr_assert_eq(quotas_of(B64K), 0U);
}

/* --- several threads, each of which changes its sizes at another time --- */

static void work_in_a_crowd(unsigned number)
{
    static const unsigned buckets[] = {B4K, B16K, B64K};
    void *taken[WINDOW];
    uint64_t random = number + 1;
    for (unsigned phase = 0; phase < 6; phase++) {
        unsigned bucket = buckets[(phase + number) % 3];
        for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
            unsigned count = 1 + (unsigned)(crew_random(&random) % WINDOW);
            for (unsigned i = 0; i < count; i++) {
                taken[i] = house_take(bucket, house_plan.capacity[bucket], NULL);
                CHECK(taken[i] != NULL);
                CHECK(budget_charged() <= budget.cache_limit);
            }
            for (unsigned i = 0; i < count; i++) {
                house_give(taken[i]);
            }
        }
    }
}

Test(training_shift, crowd_shares_one_budget)
{
    quotas_lay(UINT64_C(3) * 2 * QUOTA * 20480);
    crew_run(CROWD, work_in_a_crowd);
    cr_assert_eq(budget_charged(), 0);
    quotas_check();
    house_assert();
}
