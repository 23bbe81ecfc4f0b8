/* Tests of cache/training.c: when a bucket gets its first quota, how misses make the quota grow, and what becomes of a
 * quota when the thread ends. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/quotas.h"

enum { MANY = 2000 };

static const uint64_t plenty = UINT64_C(1) << 40; /* a budget, in bytes, that quotas never use up */

/* --- the first quota ------------------------------------------------------------------------ */

Test(training, sixty_fourth_use_earns_a_quota)
{
    quotas_lay(plenty);
    for (unsigned uses = 1; uses < TRAINING_PROMOTION; uses++) {
        quotas_use(B16K);
        cr_assert_eq(quotas_of(B16K), 0U, "after %u uses", uses);
        cr_assert_eq(budget_charged(), 0);
    }
    quotas_use(B16K);
    cr_assert_eq(quotas_of(B16K), TRAINING_FIRST);
    cr_assert_eq(budget_charged(), TRAINING_FIRST * quotas_price(B16K));
    cr_assert_eq(quotas_count(B16K, "promotions"), 1);
    for (unsigned uses = 0; uses < 4 * TRAINING_PROMOTION; uses++) {
        quotas_use(B16K);
    }
    cr_assert_eq(quotas_of(B16K), TRAINING_FIRST, "a bucket without misses keeps its quota");
    cr_assert_eq(quotas_count(B16K, "promotions"), 1);
    quotas_assert();
}

Test(training, allocations_and_frees_count_alike)
{
    void *taken[TRAINING_PROMOTION];
    quotas_lay(plenty);
    for (unsigned i = 0; i < TRAINING_PROMOTION; i++) {
        cr_assert_eq(quotas_of(B16K), 0U);
        taken[i] = house_take(B16K, 16384, NULL);
    }
    cr_assert_eq(quotas_of(B16K), TRAINING_FIRST);
    cr_assert_eq(taken[TRAINING_PROMOTION - 1] != NULL, true);
    quotas_assert();
}

Test(training, each_bucket_earns_its_own)
{
    quotas_lay(plenty);
    for (unsigned uses = 1; uses < TRAINING_PROMOTION; uses++) {
        quotas_use(B4K);
        quotas_use(B16K);
    }
    cr_assert_eq(quotas_of(B4K) + quotas_of(B16K), 0U);
    quotas_use(B4K);
    cr_assert_eq(quotas_of(B4K), TRAINING_FIRST);
    cr_assert_eq(quotas_of(B16K), 0U);
    quotas_assert();
}

Test(training, large_pool_is_not_trained)
{
    quotas_lay(plenty);
    for (unsigned uses = 0; uses < MANY; uses++) {
        quotas_use(B1M);
    }
    cr_assert_eq(quotas_of(B1M), 0U);
    cr_assert_eq(quotas_count(B1M, "promotions"), 0);
    cr_assert_eq(budget_charged(), 0);
}

Test(training, first_quota_is_what_the_budget_has_left)
{
    quotas_lay(UINT64_C(5) * 2 * 20480 + 20480);
    quotas_promote(B16K);
    cr_assert_eq(quotas_of(B16K), 5U);
    quotas_assert();
}

/* The thread uses the bucket often enough for a quota, but the budget has no bytes left. The thread gets the quota as
 * soon as the budget has bytes again, for example because another thread has ended. */
Test(training, quota_waits_for_the_budget)
{
    quotas_lay(plenty);
    cr_assert(budget_charge(plenty));
    for (unsigned uses = 0; uses < MANY; uses++) {
        quotas_use(B16K);
        cr_assert_eq(quotas_of(B16K), 0U);
    }
    cr_assert_eq(quotas_count(B16K, "promotions"), 0);
    budget_return(plenty);
    for (unsigned uses = 0; uses < TRAINING_PROMOTION; uses++) {
        quotas_use(B16K);
    }
    cr_assert_eq(quotas_of(B16K), TRAINING_FIRST);
    quotas_assert();
}

/* --- growth --------------------------------------------------------------------------------- */

/* Calls `work` until the quota is as large as a magazine. Checks that the quota grows whenever TRAINING_MISSES misses
 * have come since its last growth. Eight exchanges of the two magazines (swaps) count as one miss. */
static void expect_growth(void (*work)(unsigned step))
{
    const struct cache_tally *tally = &cache_mine->tally[B16K];
    uint64_t before = 0;
    unsigned growths = 0;
    for (unsigned step = 0; quotas_of(B16K) < MAGAZINE_SLOTS; step++) {
        uint32_t quota = quotas_of(B16K);
        work(step);
        uint64_t worth = CACHE_MISS * counter_read(&tally->misses) + CACHE_SWAP * counter_read(&tally->swaps);
        bool grown = quotas_of(B16K) != quota;
        cr_assert_eq(grown, worth - before >= TRAINING_MISSES * CACHE_MISS,
                     "the quota %u became %u after misses and swaps of the weight %lu", quota, quotas_of(B16K),
                     worth - before);
        if (grown) {
            cr_assert_eq(quotas_of(B16K), 2 * quota < MAGAZINE_SLOTS ? 2 * quota : MAGAZINE_SLOTS);
            before = worth;
            growths++;
        }
    }
    cr_assert_eq(growths, 3);
    cr_assert_eq(quotas_count(B16K, "growths"), growths);
    cr_assert_eq(quotas_count(B16K, "transfers"), 0);
    quotas_assert();
}

static void take_and_keep(unsigned step)
{
    (void)step;
    cr_assert_not_null(house_take(B16K, 16384, NULL));
}

Test(training, eight_misses_double_the_quota)
{
    quotas_lay(plenty);
    quotas_promote(B16K);
    expect_growth(take_and_keep);
    uint64_t misses = quotas_count(B16K, "misses");
    cr_assert_eq(misses, 3 * TRAINING_MISSES);
    quotas_starve(B16K, 4 * TRAINING_MISSES);
    cr_assert_eq(quotas_of(B16K), MAGAZINE_SLOTS, "a quota is at most one magazine");
    cr_assert_eq(quotas_count(B16K, "growths"), 3);
}

/* Each call allocates or frees one slot. One allocation more than the quota, and as many frees, take turns, so that the
 * two magazines are exchanged all the time. */
static void take_and_give_by_turns(unsigned step)
{
    static void *taken[MAGAZINE_SLOTS + 1];
    static unsigned count;
    static bool taking = true;
    (void)step;
    if (taking) {
        taken[count++] = house_take(B16K, 16384, NULL);
    } else {
        house_give(taken[--count]);
    }
    taking = count == 0 || (taking && count <= quotas_of(B16K));
}

Test(training, swaps_count_as_an_eighth_of_a_miss)
{
    quotas_lay(plenty);
    quotas_retained_memory(B16K, 2 * MAGAZINE_SLOTS);
    quotas_promote(B16K);
    expect_growth(take_and_give_by_turns);
    cr_assert_gt(quotas_count(B16K, "swaps"), CACHE_MISS * quotas_count(B16K, "misses"));
}

/* --- the end of a thread, and what is left of it -------------------------------------------- */

/* Runs as a thread that gets its first quota of 16k, and uses 32k too seldom for a quota. */
static void earn_a_quota(unsigned number)
{
    (void)number;
    cache_reach();
    for (unsigned uses = 2; uses < TRAINING_PROMOTION; uses += 2) {
        house_give(house_take(B16K, 16384, NULL));
    }
    /* a new thread begins without a quota, even if its cache has the record of an earlier thread with a quota */
    CHECK(quotas_of(B16K) == 0);
    house_give(house_take(B16K, 16384, NULL));
    CHECK(quotas_of(B16K) == TRAINING_FIRST);
    house_give(house_take(B32K, 32768, NULL)); /* uses the bucket half as often as is needed for its first quota */
}

Test(training, next_thread_begins_untrained)
{
    uint32_t result[BUCKET_LIMIT];
    quotas_lay(plenty);
    cr_assert_not(training_result(result));
    for (unsigned i = 0; i < 40; i++) {
        crew_run(1, earn_a_quota);
        cr_assert_eq(budget_charged(), 0);
    }
    cr_assert_eq(cache_count(), 3, "the threads used one record after the other");
    cr_assert_eq(quotas_count(B32K, "promotions"), 0);
    cr_assert(training_result(result));
    cr_assert_eq(result[B16K], TRAINING_FIRST, "the end of a thread does not change what was learnt");
    cr_assert_eq(result[B32K], 0U);
    quotas_assert();
}
