/* Tests of training when the budget is used up: which bucket loses quota so that another bucket can get more, and when
 * an unused quota is lowered. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/quotas.h"

static const uint64_t plenty = UINT64_C(1) << 40; /* a budget, in bytes, that quotas never use up */

/*
 * Returns how many bytes of the budget it costs if each of the `count` buckets listed in `bucket` has its first quota.
 */
static uint64_t first_of(unsigned count, const unsigned *bucket)
{
    struct bucket_settings settings = house_defaults();
    static bucket_offset map[BUCKET_GRANULES];
    uint64_t sum = 0;
    bucket_plan_make(&house_plan, &settings, map);
    for (unsigned i = 0; i < count; i++) {
        sum += TRAINING_FIRST * quotas_price(bucket[i]);
    }
    return sum;
}

/* Sets up pools in which the whole budget is used up, because each of the `count` buckets listed in `bucket` has its
 * first quota. */
static void lay_spent(unsigned count, const unsigned *bucket)
{
    quotas_lay(first_of(count, bucket));
    quotas_promote_all(count, bucket);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(quotas_of(bucket[i]), TRAINING_FIRST);
    }
    cr_assert_eq(budget_left(), 0);
}

/* Makes the bucket look idle to training, as if no request and no free had come since training last looked at it. */
static void make_idle(unsigned bucket)
{
    const struct cache_bin *bin = &cache_mine->bin[bucket];
    cache_mine->tally[bucket].seen = (uint32_t)(counter_read(&bin->requests) + cache_returned(cache_mine, bucket));
}

static void expect_quotas(unsigned count, const unsigned *bucket, const uint32_t *quota)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(quotas_of(bucket[i]), quota[i], "%s has %u", house_plan.label[bucket[i]], quotas_of(bucket[i]));
    }
    quotas_assert();
}

static void expect_steps(unsigned bucket, uint64_t growths, uint64_t transfers, uint64_t losses)
{
    cr_assert_eq(quotas_count(bucket, "growths"), growths);
    cr_assert_eq(quotas_count(bucket, "transfers"), transfers);
    cr_assert_eq(quotas_count(bucket, "losses"), losses);
}

/* --- transfer ------------------------------------------------------------------------------- */

/*
 * The bucket 16k needs 8 more slots. The bucket 64k can lose the most bytes, namely half of its quota, which is 4
 * slots. The bucket 64k loses only 3 slots, because 3 slots of 64k have enough bytes for 8 slots of 16k, and 2 have too
 * few.
 */
Test(training_transfer, bucket_with_most_unused_bytes_gives)
{
    static const unsigned buckets[] = {B4K, B16K, B64K};
    lay_spent(3, buckets);
    quotas_starve(B16K, TRAINING_MISSES);
    expect_quotas(3, buckets, (const uint32_t[]){8, 16, 5});
    expect_steps(B4K, 0, 0, 0);
    expect_steps(B16K, 0, 1, 0);
    expect_steps(B64K, 0, 0, 1);
}

/*
 * The bucket that can lose the most bytes loses quota. A bucket in use can lose half of its quota, here 4 slots of 64k.
 * An idle bucket can lose all of its quota, here 8 slots of 32k. With their headroom, these 8 slots have more bytes
 * than the 4 slots.
 */
Test(training_transfer, idle_bucket_is_unused_as_a_whole)
{
    static const unsigned buckets[] = {B16K, B32K, B64K};
    lay_spent(3, buckets);
    make_idle(B32K);
    quotas_starve(B16K, TRAINING_MISSES);
    expect_quotas(3, buckets, (const uint32_t[]){16, 3, 8});
    expect_steps(B32K, 0, 0, 1);
    expect_steps(B64K, 0, 0, 0);
}

/* Training would raise the quota by 16 slots, but these cost more bytes than any other bucket can lose. So the quota
 * grows only by as much as one bucket can lose. */
Test(training_transfer, donor_loses_only_its_unused_part)
{
    static const unsigned buckets[] = {B16K, B32K, B64K};
    lay_spent(3, buckets);
    make_idle(B32K);
    quotas_starve(B16K, TRAINING_MISSES);
    quotas_starve(B16K, TRAINING_MISSES);
    expect_quotas(3, buckets, (const uint32_t[]){30, 3, 4});
    expect_steps(B16K, 0, 2, 0);
    expect_steps(B64K, 0, 0, 1);
}

Test(training_transfer, bucket_with_misses_loses_nothing)
{
    static const unsigned buckets[] = {B16K, B64K};
    lay_spent(2, buckets);
    quotas_starve(B64K, 1);
    quotas_starve(B16K, TRAINING_MISSES);
    expect_quotas(2, buckets, (const uint32_t[]){8, 8});
    expect_steps(B16K, 0, 0, 0);
    expect_steps(B64K, 0, 0, 0);
    quotas_starve(B16K, TRAINING_MISSES - 1);
    make_idle(B64K);
    expect_steps(B16K, 0, 0, 0);
    quotas_starve(B16K, 1);
    expect_steps(B16K, 0, 1, 0);
}

/* If a bucket needs a larger quota, training takes nothing from the quota of this bucket itself, even if the bucket
 * looks idle. */
Test(training_transfer, bucket_does_not_take_from_itself)
{
    static const unsigned buckets[] = {B16K};
    lay_spent(1, buckets);
    make_idle(B16K);
    quotas_starve(B16K, TRAINING_MISSES);
    expect_quotas(1, buckets, (const uint32_t[]){8});
    expect_steps(B16K, 0, 0, 0);
}

/* If a quota grows, the bytes that are left in the budget are used first, even if no other bucket can lose the rest
 * that is needed. */
Test(training_transfer, rest_of_the_budget_is_used)
{
    static const unsigned buckets[] = {B16K, B64K};
    quotas_lay(first_of(2, buckets) + 3 * 2 * 20480);
    quotas_promote_all(2, buckets);
    quotas_starve(B64K, 1);
    quotas_starve(B16K, TRAINING_MISSES);
    expect_quotas(2, buckets, (const uint32_t[]){11, 8});
    expect_steps(B16K, 1, 0, 0);
}

/* When a bucket loses quota, the slots that no longer fit into its magazines go to the bucket's stack of free slots,
 * where any thread can get them. */
Test(training_transfer, slots_of_the_donor_go_to_the_stack)
{
    static const unsigned buckets[] = {B16K, B64K};
    void *taken[2 * TRAINING_FIRST];
    lay_spent(2, buckets);
    quotas_retained_memory(B64K, 2 * TRAINING_FIRST);
    for (unsigned i = 0; i < 2 * TRAINING_FIRST; i++) {
        taken[i] = house_take(B64K, 65536, NULL);
    }
    for (unsigned i = 1; i < 2 * TRAINING_FIRST; i++) {
        /* keeps the first slot, because the cache already holds one other slot, and so has space for all of these slots
         * but one */
        house_give(taken[i]);
    }
    cr_assert_eq(cache_held(cache_mine, B64K), 2 * TRAINING_FIRST);
    make_idle(B64K);
    quotas_starve(B16K, TRAINING_MISSES);
    expect_quotas(2, buckets, (const uint32_t[]){16, 5});
    cr_assert_eq(cache_held(cache_mine, B64K), 2 * 5U);
    uint64_t carved = quotas_count(B64K, "carved");
    for (uint64_t i = 1; i < carved; i++) {
        cr_assert_not_null(house_take(B64K, 65536, NULL));
    }
    cr_assert_eq(quotas_count(B64K, "carved"), carved, "every slot can be allocated");
    quotas_assert();
}

/* If the budget is used up, a bucket that has no quota yet gets its first one from another bucket's quota. */
Test(training_transfer, first_quota_comes_from_another_where_nothing_is_left)
{
    static const unsigned buckets[] = {B64K, B16K};
    lay_spent(1, buckets);
    quotas_promote_all(2, buckets);
    expect_quotas(2, buckets, (const uint32_t[]){5, TRAINING_FIRST});
    cr_assert_eq(quotas_count(B16K, "promotions"), 1);
    expect_steps(B64K, 0, 0, 1);
    quotas_assert();
}

/* --- decay ---------------------------------------------------------------------------------- */

/* Makes requests in `bucket` that miss until the quota of the bucket `other` has changed. Returns how many misses that
 * took. */
static uint64_t misses_until_change(unsigned bucket, unsigned other)
{
    uint32_t quota = quotas_of(other);
    uint64_t misses = 0;
    while (quotas_of(other) == quota && misses < 10 * TRAINING_DECAY) {
        quotas_starve(bucket, 1);
        misses++;
    }
    return misses;
}

Test(training_transfer, idle_quota_is_halved_every_64_slow_paths)
{
    quotas_lay(plenty);
    quotas_promote_all(2, (const unsigned[]){B4K, B16K});
    cr_assert_leq(misses_until_change(B4K, B16K), 2 * TRAINING_DECAY,
                  "training lowers the quota when it looks for idle buckets the second time");
    cr_assert_eq(quotas_of(B16K), TRAINING_FIRST / 2);
    for (uint32_t quota = TRAINING_FIRST / 4;; quota /= 2) {
        cr_assert_eq(misses_until_change(B4K, B16K), TRAINING_DECAY);
        cr_assert_eq(quotas_of(B16K), quota);
        quotas_assert();
        if (quota == 0) {
            break;
        }
    }
    cr_assert_eq(quotas_count(B16K, "decays"), 4);
    cr_assert_eq(quotas_count(B4K, "decays"), 0, "the quota of a used bucket does not fall");
    cr_assert_eq(cache_held(cache_mine, B16K), 0U);
    cr_assert_null(cache_private(&cache_mine->bin[B16K]));
    quotas_promote(B16K);
    cr_assert_eq(quotas_of(B16K), TRAINING_FIRST, "the quota can be earned again");
}

Test(training_transfer, one_use_in_64_slow_paths_keeps_a_quota)
{
    quotas_lay(plenty);
    quotas_promote_all(2, (const unsigned[]){B4K, B16K});
    for (unsigned look = 0; look < 8; look++) {
        house_give(house_take(B16K, 16384, NULL));
        quotas_starve(B4K, TRAINING_DECAY);
    }
    cr_assert_eq(quotas_of(B16K), TRAINING_FIRST);
    cr_assert_eq(quotas_count(B16K, "decays"), 0);
    quotas_assert();
}

/*
 * A request in a bucket without a quota takes the slow path, and after some slow paths training looks for idle buckets.
 * So if a thread uses only a bucket without a quota, its other buckets, which are idle, lose their quotas.
 */
Test(training_transfer, uses_without_a_quota_are_slow_paths_too)
{
    quotas_lay(first_of(1, (const unsigned[]){B4K}));
    quotas_promote(B4K);
    for (unsigned uses = 0; uses < 6 * TRAINING_DECAY; uses += 2) {
        house_give(house_take(B64K, 65536, NULL));
    }
    cr_assert_eq(quotas_of(B4K), 0U);
    cr_assert_eq(quotas_of(B64K), 0U, "the budget is smaller than one of the bucket's slots");
    cr_assert_eq(budget_charged(), 0);
    quotas_assert();
}
