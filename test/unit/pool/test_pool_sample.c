/* Tests of pool/pool_sample.c, which samples some of the slots that are freed. Requests of each size, and frees by
 * other threads, must have the same share of the sample as of all frees. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/histogram.h"
#include "pool/pool.h"
#include "pool/pool_sample.h"
#include "support/clock_still.h"
#include "support/crew.h"
#include "support/house.h"

enum { MANY = 1 << 17, ROUNDS = 4000, BATCH = 8, THREADS = 16 };

TestSuite(pool_sample, .timeout = 60);

static struct histogram_figures figures;

static void use(size_t request, unsigned bucket)
{
    house_give(house_take(bucket, request, NULL));
}

static uint64_t count_of(size_t request)
{
    return figures.count[histogram_step(request)];
}

static uint64_t count_all(void)
{
    uint64_t all = 0;
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        all += figures.count[step];
    }
    return all;
}

/* A program may use two sizes in turn. Neither size may be missing or rare in the samples. */
Test(pool_sample, two_sizes_in_turn_have_half_each)
{
    house_lay_default();
    for (unsigned i = 0; i < MANY; i++) {
        use(16390, B16K);
        use(18000, B16K);
    }
    histogram_read(&figures);
    cr_assert_leq(2 * MANY - count_all(), 1021, "only the frees since the last tick are missing");
    cr_assert_gt(count_of(16390), MANY / 4);
    cr_assert_gt(count_of(18000), MANY / 4);
}

/*
 * A bucket that is used once in a thousand requests has no ticks of its own (a tick is a free that reads the clock and
 * takes a sample). Its slots must still be sampled: when a tick finds that the clock has advanced, the next free of
 * such a bucket becomes a tick too.
 */
Test(pool_sample, rare_buckets_are_seen_where_the_clock_goes_on)
{
    house_lay_default();
    for (unsigned i = 0; i < MANY; i++) {
        use(16390, B16K);
        if (i % 1000 == 0) {
            use(5000, B4K);
            use(262177, B256K);
            clock_still_advance(1);
        }
    }
    histogram_read(&figures);
    cr_assert_geq(count_of(5000), MANY / 1000 * 9 / 10);
    cr_assert_leq(count_of(5000), MANY / 1000 + 1);
    cr_assert_geq(count_of(262177), MANY / 1000 * 9 / 10);
    cr_assert_leq(count_of(262177), MANY / 1000 + 1);
}

Test(pool_sample, requests_that_fall_through_are_counted)
{
    house_lay_default();
    pool_count_fall_through(B16K, 17000);
    histogram_read(&figures);
    cr_assert_eq(count_of(17000), 1);
    cr_assert_eq(figures.sum, 17000);
}

/* --- which threads free --- */

static void *handed[BATCH];
static uint32_t marks[THREADS];

static uint64_t remote_frees(unsigned bucket)
{
    return counter_read(&pools[bucket].remote_frees);
}

static void take_batch(unsigned number)
{
    (void)number;
    for (unsigned i = 0; i < BATCH; i++) {
        handed[i] = house_take(B16K, 16390, NULL);
    }
}

static void give_batch(void)
{
    for (unsigned i = 0; i < BATCH; i++) {
        house_give(handed[i]);
    }
}

Test(pool_sample, frees_of_own_slots_are_not_remote)
{
    house_lay_default();
    for (unsigned i = 0; i < MANY; i++) {
        use(16390, B16K);
    }
    cr_assert_eq(remote_frees(B16K), 0);
}

Test(pool_sample, frees_of_other_threads_slots_are_remote)
{
    house_lay_default();
    use(5000, B4K); /* gives this thread the first cache of the table */
    for (unsigned i = 0; i < ROUNDS; i++) {
        crew_run(1, take_batch);
        give_batch();
    }
    cr_assert_leq(remote_frees(B16K), ROUNDS * BATCH);
    cr_assert_leq(ROUNDS * BATCH - remote_frees(B16K), 1021, "only the frees since the last tick are missing");
    cr_assert_eq(remote_frees(B4K), 0);
}

/* The test's thread frees slots of 16 KiB. It has allocated half of them itself, and other threads have allocated the
 * other half. So about half of the frees must count as remote frees. */
Test(pool_sample, remote_frees_are_counted_by_their_share)
{
    house_lay_default();
    use(5000, B4K);
    for (unsigned i = 0; i < ROUNDS; i++) {
        crew_run(1, take_batch);
        give_batch();
        take_batch(0);
        give_batch();
    }
    cr_assert_gt(remote_frees(B16K), ROUNDS * BATCH * 2 / 3);
    cr_assert_lt(remote_frees(B16K), ROUNDS * BATCH * 4 / 3);
}

static void use_batch(unsigned number)
{
    take_batch(number);
    give_batch();
}

/*
 * The test's thread frees only slots that it has allocated itself. If a sample of the bucket is due and no further free
 * comes, the library samples the slot on top of the thread's magazine instead. Another thread may have used that slot
 * last. The sample must still not count as a remote free.
 */
Test(pool_sample, slots_in_a_magazine_are_no_remote_frees)
{
    house_lay_default();
    use(5000, B4K);
    crew_run(1, use_batch);
    for (unsigned i = 0; i < ROUNDS; i++) {
        use(16390, B16K);
        void *kept = house_take(B16K, 16390, NULL);
        for (unsigned look = 0; look < 2; look++) {
            clock_still_advance(1);
            use(5000, B4K);
        }
        house_give(kept);
    }
    cr_assert_eq(remote_frees(B16K), 0);
    cr_assert_eq(remote_frees(B4K), 0);
}

static void note_mark(unsigned number)
{
    marks[number] = pool_owner();
}

/* A thread without a cache marks its slots by a number computed from the address of its thread-local variables. Among
 * many threads there must be more than one such number. */
Test(pool_sample, threads_without_caches_have_marks)
{
    crew_run(THREADS, note_mark);
    bool differ = false;
    for (unsigned i = 1; i < THREADS; i++) {
        differ = differ || marks[i] != marks[0];
    }
    cr_assert(differ);
}
