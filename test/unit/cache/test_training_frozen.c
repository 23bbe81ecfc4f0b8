/* Tests of quotas that are set by the profile or a test, which a cache gets at its first use of a bucket, and of quotas
 * that never change (SOCKMALLOC_TRAINING=0). */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/quotas.h"

enum { MANY = 2000 };

static const uint64_t plenty = UINT64_C(1) << 40; /* a budget, in bytes, that quotas never use up */

/* Sets up pools in which a cache gets a quota of `first` slots at its first use of a bucket. */
static void lay_with_first(uint32_t first, bool frozen, uint64_t limit)
{
    struct bucket_settings settings = house_defaults();
    house_pools.training.frozen = frozen;
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        house_pools.training.first[bucket] = first;
    }
    house_pools.cache_limit = limit;
    house_lay(&settings, HOUSE_SHIFT);
    cache_reach();
}

Test(training_frozen, set_quota_is_there_at_the_first_use)
{
    lay_with_first(20, false, plenty);
    house_pools.training.first[B16K] = 0; /* has no effect, because the library has copied the settings at its start */
    cr_assert_eq(quotas_of(B16K), 0U);
    quotas_use(B16K);
    cr_assert_eq(quotas_of(B16K), 20U);
    cr_assert_eq(quotas_of(B4K), 0U);
    cr_assert_eq(quotas_count(B16K, "promotions"), 1);
    /* frees the slot; for this the bucket gets its first magazine, which may hold as many slots as the quota says */
    quotas_use(B16K);
    cr_assert_eq(cache_mine->bin[B16K].ceiling - cache_mine->bin[B16K].floor, 20);
    quotas_assert();
}

/* The budget has nothing left at first, so the cache gets no quota. When the budget has bytes again, the cache gets a
 * quota at its next use of the bucket: 4 slots, which is all that the budget allows. */
Test(training_frozen, set_quota_is_requested_at_each_use)
{
    lay_with_first(20, false, 4 * 2 * 20480);
    cr_assert(budget_charge(budget.cache_limit));
    for (unsigned uses = 0; uses < 10; uses++) {
        quotas_use(B16K);
        cr_assert_eq(quotas_of(B16K), 0U);
    }
    budget_return(budget.cache_limit);
    quotas_use(B16K);
    cr_assert_eq(quotas_of(B16K), 4U);
    quotas_assert();
}

/* Allocates and frees many slots of 16k at once, and then uses the bucket 4k alone. If training were not frozen, it
 * would raise the quota of 16k first and then lower that of 16k. */
static void use_in_every_way(void)
{
    void *taken[200];
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 200; i++) {
            taken[i] = house_take(B16K, 16384, NULL);
        }
        for (unsigned i = 0; i < 200; i++) {
            house_give(taken[i]);
        }
    }
    for (unsigned uses = 0; uses < MANY; uses++) {
        quotas_use(B4K);
    }
}

Test(training_frozen, frozen_quotas_stay_where_they_began)
{
    uint32_t result[BUCKET_LIMIT];
    lay_with_first(16, true, plenty);
    quotas_use(B64K);
    use_in_every_way();
    cr_assert_eq(quotas_of(B4K), 16U);
    cr_assert_eq(quotas_of(B16K), 16U);
    cr_assert_eq(quotas_of(B64K), 16U, "quotas do not fall for lack of use");
    cr_assert_gt(quotas_count(B16K, "misses"), 2 * TRAINING_MISSES);
    static const char *const steps[] = {"growths", "transfers", "losses", "decays"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        cr_assert_eq(quotas_count(B16K, steps[i]) + quotas_count(B64K, steps[i]), 0);
    }
    cr_assert_not(training_result(result), "nothing was learnt");
    quotas_assert();
}

Test(training_frozen, frozen_cache_earns_no_quota)
{
    lay_with_first(0, true, plenty);
    use_in_every_way();
    cr_assert_eq(quotas_of(B4K) + quotas_of(B16K), 0U);
    cr_assert_eq(budget_charged(), 0);
    quotas_assert();
}
