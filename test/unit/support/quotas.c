/* Reads the quotas of the caches, and how often training has changed them, and compares the quotas with the budget.
 * A quota is how many free slots each of a cache's two magazines of a bucket may hold. The budget is the limit in
 * bytes on all quotas together. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/quotas.h"

#include <criterion/criterion.h>

#include "percpu/percpu.h"
#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"

/* a range of 1 GiB, which is enough for tests that allocate slots and never free them */
enum { QUOTAS_SHIFT = 30 };

uint64_t quotas_price(unsigned bucket)
{
    return 2 * (uint64_t)house_plan.capacity[bucket];
}

uint32_t quotas_of(unsigned bucket)
{
    return cache_quota(cache_mine, bucket);
}

uint64_t quotas_charge(void)
{
    uint64_t charge = 0;
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        for (uint32_t number = 1; number < cache_count(); number++) {
            charge += cache_quota(cache_at(number), bucket) * quotas_price(bucket);
        }
        charge += (uint64_t)percpu_records() * percpu_quota(bucket) * house_plan.capacity[bucket];
    }
    return charge;
}

uint64_t quotas_held(void)
{
    uint64_t held = 0;
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        uint64_t count = 0;
        for (uint32_t number = 0; number < cache_count(); number++) {
            count += cache_held(cache_at(number), bucket);
        }
        for (uint32_t number = 0; number < percpu_records(); number++) {
            count += cache_held(percpu_at(number), bucket);
        }
        held += count * house_plan.capacity[bucket];
    }
    return held;
}

void quotas_check(void)
{
    CHECK(budget_charged() == quotas_charge());
    CHECK(budget_charged() <= budget.cache_limit);
    for (uint32_t number = 0; number < cache_count(); number++) {
        struct cache *cache = cache_at(number);
        for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
            CHECK(cache_held(cache, bucket) <= 2 * cache_quota(cache, bucket));
        }
    }
    CHECK(quotas_held() <= budget_charged());
}

void quotas_assert(void)
{
    quotas_check();
    cr_assert_null(crew_fault(), "%s", crew_fault());
    house_assert();
}

uint64_t quotas_count(unsigned bucket, const char *step)
{
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    const uint64_t *count = snapshot_find(&snapshot.bucket[bucket], step);
    cr_assert_not_null(count, "no such step: %s", step);
    return *count;
}

void quotas_lay(uint64_t cache_limit)
{
    struct bucket_settings settings = house_defaults();
    house_pools.training = (struct training_settings){.frozen = false};
    house_pools.cache_limit = cache_limit;
    house_lay(&settings, QUOTAS_SHIFT);
    cache_reach();
}

void quotas_use(unsigned bucket)
{
    static void *slot[BUCKETS];
    if (slot[bucket] == NULL) {
        slot[bucket] = house_take(bucket, house_plan.capacity[bucket], NULL);
        cr_assert_not_null(slot[bucket]);
    } else {
        house_give(slot[bucket]);
        slot[bucket] = NULL;
    }
}

void quotas_retained_memory(unsigned bucket, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        void *slot;
        cr_assert_eq(region_carve(bucket, 1, &slot), 1);
        house_mark(slot, SLOT_FREE, 0);
        slots_push(bucket, region_number(slot));
    }
    pool_count_deposit(cache_mine, bucket, count);
}

void quotas_promote_all(unsigned count, const unsigned *bucket)
{
    for (unsigned use = 0; use < TRAINING_PROMOTION; use += 2) {
        for (unsigned i = 0; i < count; i++) {
            house_give(house_take(bucket[i], house_plan.capacity[bucket[i]], NULL));
        }
    }
    for (unsigned i = 0; i < count; i++) {
        cr_assert_gt(quotas_of(bucket[i]), 0U);
        cache_mine->tally[bucket[i]].seen = 0;
    }
    cache_mine->state.events = 0;
}

void quotas_promote(unsigned bucket)
{
    quotas_promote_all(1, &bucket);
}

void quotas_starve(unsigned bucket, unsigned misses)
{
    const struct counter *counter = &cache_mine->tally[bucket].misses;
    uint64_t goal = counter_read(counter) + misses;
    while (counter_read(counter) < goal) {
        cr_assert_not_null(house_take(bucket, house_plan.capacity[bucket], NULL));
    }
}
