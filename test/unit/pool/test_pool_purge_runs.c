/* Tests of the system calls that purge: slots that lie side by side, a run of slots, are purged by one call. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "pool/pool.h"
#include "pool/pool_purge.h"
#include "support/advice.h"
#include "support/crew.h"
#include "support/house.h"

/* BATCH is how many slots are collected and sorted at once. QUANTUM is how many bytes one step of decay purges. */
enum { BATCH = 64, QUANTUM = 128 * 4096, MANY = 200, CALLS_MAX = 256, EVERYTHING = 1 << 30 };

/* The calls to purge that the simulated kernel has got: their number, and the range of each, in their order. `kept` is
 * a slot whose pages the simulated kernel refuses to purge. */
static struct {
    unsigned calls;
    struct {
        char *start;
        size_t size;
    } call[CALLS_MAX];
    const char *kept;
} asked;

static void *taken[MANY];

/* Checks that the range to purge consists of whole slots, and that none of them is in use. */
static void check_range(const char *start, size_t size)
{
    unsigned bucket = (unsigned)region_find(start).bucket;
    size_t stride = house_plan.stride[bucket];
    CHECK(region_find(start).exact && size % stride == 0);
    for (size_t i = 0; i < size; i += stride) {
        CHECK(slot_meta_state(region_meta(region_number(start + i))) == SLOT_FREE);
    }
}

static bool has_kept(const char *start, size_t size)
{
    return asked.kept >= start && asked.kept < start + size;
}

/* Records a range that the library purges. Returns false if the slot `kept`, which the simulated kernel refuses to
 * purge, lies in the range. */
static bool discard(char *start, size_t size)
{
    if (CHECK(asked.calls < CALLS_MAX)) {
        asked.call[asked.calls].start = start;
        asked.call[asked.calls++].size = size;
    }
    check_range(start, size);
    return !has_kept(start, size);
}

/* Answers madvise in place of the kernel, and records the ranges that the library purges. The slot `kept` is refused
 * even with MADV_DONTNEED_LOCKED, which purges locked pages. */
static long note(char *start, size_t size, int advice)
{
    if (!region_owns(start)) {
        return ADVICE_TO_KERNEL;
    }
    bool granted = advice == MADV_DONTNEED ? discard(start, size) : !has_kept(start, size);
    return granted ? ADVICE_TO_KERNEL : -EINVAL;
}

static void prepare(void)
{
    advice_answer(note);
}

TestSuite(pool_purge_runs, .init = prepare);

/* Allocates `count` new slots of the bucket, which lie side by side. */
static void take(unsigned bucket, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(bucket, house_plan.capacity[bucket], NULL);
        cr_assert_not_null(taken[i]);
        memset(taken[i], 'x', house_plan.capacity[bucket]);
    }
}

/* Frees the first slot, then the slot `step` places behind it, and so on. Behind the last slot, counting goes on with
 * the first ones. All slots are freed if `step` and `count` have no common divisor. */
static void give_by_steps(unsigned count, unsigned step)
{
    for (unsigned i = 0; i < count; i++) {
        house_give(taken[i * step % count]);
    }
}

static void expect_call(unsigned number, const void *start, size_t size)
{
    cr_assert_lt(number, asked.calls);
    cr_assert_eq(asked.call[number].start, start);
    cr_assert_eq(asked.call[number].size, size);
}

/* Checks that no CHECK has failed, that the library has made `calls` calls to purge, and that the counters agree. */
static void expect_in_order(unsigned calls)
{
    cr_assert_null(crew_fault(), "%s", crew_fault());
    cr_assert_eq(asked.calls, calls);
    house_assert();
}

Test(pool_purge_runs, neighbours_go_in_one_call)
{
    house_lay_default();
    take(B128K, 10);
    give_by_steps(10, 3);
    cr_assert_eq(pool_trim(EVERYTHING), 10 * house_plan.stride[B128K]);
    expect_call(0, taken[0], 10 * house_plan.stride[B128K]);
    expect_in_order(1);
}

Test(pool_purge_runs, slot_in_use_ends_a_run)
{
    house_lay_default();
    size_t stride = house_plan.stride[B128K];
    take(B128K, 10);
    for (unsigned i = 0; i < 10; i++) {
        if (i != 3 && i != 5) {
            house_give(taken[i]);
        }
    }
    cr_assert_eq(pool_trim(EVERYTHING), 8 * stride);
    expect_call(0, taken[0], 3 * stride);
    expect_call(1, taken[4], stride);
    expect_call(2, taken[6], 4 * stride);
    expect_in_order(3);
}

/*
 * The library sorts the slots of one batch, and not all slots. So one call purges at most as many slots as a batch has.
 */
Test(pool_purge_runs, run_is_a_batch_at_most)
{
    enum { COUNT = 2 * BATCH + 5 };
    house_pools.kind = KIND_LOCKFREE;
    house_lay_default();
    size_t stride = house_plan.stride[B64K];
    take(B64K, COUNT);
    for (unsigned i = COUNT; i-- > 0;) {
        house_give(taken[i]);
    }
    cr_assert_eq(pool_trim(EVERYTHING), COUNT * stride);
    expect_call(0, taken[0], BATCH * stride);
    expect_call(1, taken[BATCH], BATCH * stride);
    expect_call(2, taken[2 * BATCH], 5 * stride);
    expect_in_order(3);
}

/* A magazine has its slots in the order in which they were freed. The slots must be sorted before adjacent slots can be
 * purged by one call. */
Test(pool_purge_runs, magazine_is_sorted_too)
{
    enum { COUNT = 3 * MAGAZINE_SLOTS };
    house_lay_default();
    take(B64K, COUNT);
    give_by_steps(MAGAZINE_SLOTS, 5);
    for (unsigned i = MAGAZINE_SLOTS; i < COUNT; i++) {
        house_give(taken[i]);
    }
    size_t size = MAGAZINE_SLOTS * house_plan.stride[B64K];
    cr_assert_eq(pool_trim(EVERYTHING), size);
    expect_call(0, taken[0], size);
    expect_in_order(1);
}

/* A step of decay purges QUANTUM bytes of old slots, rounded up to whole slots. */
Test(pool_purge_runs, quantum_ends_with_a_slot)
{
    static const unsigned buckets[] = {B64K, B128K, B256K, B512K};
    house_pools.kind = KIND_LOCKFREE;
    house_pools.decay = 1000;
    house_lay_default();
    for (unsigned i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        size_t stride = house_plan.stride[buckets[i]];
        size_t wanted = (QUANTUM + stride - 1) / stride * stride;
        asked.calls = 0;
        take(buckets[i], 20);
        give_by_steps(20, 1);
        decay_turn(decay.turned + decay.age);
        cr_assert(pool_trim_step());
        size_t sum = 0;
        for (unsigned call = 0; call < asked.calls; call++) {
            sum += asked.call[call].size;
        }
        cr_assert_eq(sum, wanted, "a step purges QUANTUM bytes, rounded up to whole slots");
        pool_trim(EVERYTHING);
    }
    cr_assert_null(crew_fault(), "%s", crew_fault());
    house_assert();
}

/* Allocates `count` slots. Divides them into groups of `of` slots, and frees the first `given` slots of each group.
 * Makes the freed slots belong to the old generation of free slots. */
static void scatter(unsigned given, unsigned of, unsigned count)
{
    take(B64K, count);
    for (unsigned i = 0; i < count; i++) {
        if (i % of < given) {
            house_give(taken[i]);
        }
    }
    decay_turn(decay.turned + decay.age);
    asked.calls = 0;
}

static void lay_scattered(unsigned given, unsigned of, unsigned count)
{
    house_pools.kind = KIND_LOCKFREE;
    house_pools.decay = 1000;
    house_lay_default();
    /* begins a new period of decay now, so that no tick (a free that reads the clock) finds slots due to be purged
     * during the test */
    decay_turn(clock_now());
    scatter(given, of, count);
}

/* If free slots do not lie side by side, and the kernel has no process_madvise, each slot needs a call of its own. One
 * call costs as much as purging many pages. So a step of decay ends after the first of these slots, and the next step
 * goes on with the others. */
Test(pool_purge_runs, scattered_slots_go_one_by_one)
{
    enum { GIVEN = 10 };
    lay_scattered(1, 2, 2 * GIVEN);
    for (unsigned step = 1; step <= GIVEN; step++) {
        cr_assert_eq(pool_trim_step(), step < GIVEN);
        cr_assert_eq(asked.calls, step);
        cr_assert_eq(asked.call[step - 1].size, house_plan.stride[B64K]);
    }
    cr_assert_eq(house_metadata(B64K, SLOT_PURGED), GIVEN);
    cr_assert_not(pool_trim_step());
    expect_in_order(GIVEN);
}

/* A call for two adjacent slots of 64 KiB costs as much as a whole step of decay may cost, so a step purges one such
 * run. */
Test(pool_purge_runs, short_run_leaves_no_room_for_another)
{
    lay_scattered(2, 3, 9);
    size_t stride = house_plan.stride[B64K];
    cr_assert(pool_trim_step());
    cr_assert_eq(asked.calls, 1);
    cr_assert_eq(asked.call[0].size, 2 * stride);
    cr_assert_eq(pool_trim(EVERYTHING), 4 * stride, "pool_trim purges all runs");
    expect_in_order(3);
}

/* The kernel refuses to purge one run because of one slot in it. All other runs are purged. Then the library tries the
 * refused run once more, because pool_trim goes on until a batch purges nothing. */
Test(pool_purge_runs, refused_run_stays_and_others_go)
{
    house_lay_default();
    size_t stride = house_plan.stride[B128K];
    take(B128K, 10);
    for (unsigned i = 0; i < 10; i++) {
        if (i != 4) {
            house_give(taken[i]);
        }
    }
    asked.kept = taken[2];
    cr_assert_eq(pool_trim(EVERYTHING), 5 * stride);
    expect_call(0, taken[0], 4 * stride);
    expect_call(1, taken[5], 5 * stride);
    expect_call(2, taken[0], 4 * stride);
    expect_in_order(3);
    cr_assert_eq(house_metadata(B128K, SLOT_FREE), 4);
    cr_assert_eq(house_metadata(B128K, SLOT_PURGED), 5);
    asked.kept = NULL;
    cr_assert_eq(pool_trim(EVERYTHING), 4 * stride);
    expect_in_order(4);
}

/* --- several ranges in one call --- */

/* Checks that the library has made `calls` calls of process_madvise, and one more by which it finds out if the kernel
 * has this call. -1U stands for a simulated kernel without this call, to which no call is counted. */
static void expect_together(unsigned calls)
{
    cr_assert_eq(advice_together_calls(), 1 + calls);
}

/*
 * One step of decay purges six slots of 64 KiB that lie apart, by one call of process_madvise. The step purges
 * no more of these slots, because the number of pages in a step is limited, and each of these slots counts as three
 * pages more than it has.
 */
Test(pool_purge_runs, scattered_slots_go_in_one_call)
{
    enum { GIVEN = 10, STEP = 6 };
    advice_allow_together();
    lay_scattered(1, 2, 2 * GIVEN);
    cr_assert(pool_trim_step());
    expect_together(1);
    cr_assert_eq(asked.calls, STEP);
    for (unsigned i = 1; i < STEP; i++) {
        cr_assert_lt(asked.call[i - 1].start, asked.call[i].start);
        cr_assert_eq(asked.call[i].size, house_plan.stride[B64K]);
    }
    cr_assert_eq(house_metadata(B64K, SLOT_PURGED), STEP);
    cr_assert_not(pool_trim_step());
    expect_together(2);
    cr_assert_eq(house_metadata(B64K, SLOT_PURGED), GIVEN);
    expect_in_order(GIVEN);
}

Test(pool_purge_runs, trim_takes_a_batch_in_one_call)
{
    enum { GIVEN = BATCH + 1 };
    advice_allow_together();
    lay_scattered(1, 2, 2 * GIVEN);
    cr_assert_eq(pool_trim(EVERYTHING), GIVEN * house_plan.stride[B64K]);
    expect_together(1); /* the last slot lies alone, and the library purges it by madvise */
    expect_in_order(GIVEN);
}

/* process_madvise stops at the first range that is refused. By then it has purged the ranges before the refused one.
 * The library purges the ranges behind the refused one by another call. */
Test(pool_purge_runs, refused_range_stays_and_others_go)
{
    enum { GIVEN = 10, REFUSED = 6 };
    advice_allow_together();
    lay_scattered(1, 2, 2 * GIVEN);
    asked.kept = taken[REFUSED];
    cr_assert_eq(pool_trim(EVERYTHING), (GIVEN - 1) * house_plan.stride[B64K]);
    expect_together(3);
    cr_assert_null(crew_fault(), "%s", crew_fault());
    for (unsigned i = 0; i < 2 * GIVEN; i += 2) {
        unsigned wanted = i == REFUSED ? SLOT_FREE : SLOT_PURGED;
        cr_assert_eq(slot_meta_state(region_meta(region_number(taken[i]))), wanted, "slot %u", i);
    }
    asked.kept = NULL;
    cr_assert_eq(pool_trim(EVERYTHING), house_plan.stride[B64K]);
    house_assert();
}

/* --- slots that stay in their magazine --- */

/* Calls pool_purge_in_place for 40 free slots, and checks that it purges the first `wanted` of them, by `calls` calls
 * of process_madvise (-1U if the kernel has no such call). The slots must stay free in their metadata. */
static void give_in_place(unsigned bucket, unsigned wanted, unsigned calls)
{
    enum { COUNT = 40 };
    house_lay_default();
    take(bucket, COUNT);
    give_by_steps(COUNT, 1);
    asked.calls = 0;
    cr_assert_eq(pool_purge_in_place(bucket, taken, COUNT), wanted);
    cr_assert_eq(asked.calls, wanted);
    expect_together(calls);
    for (unsigned i = 0; i < wanted; i++) {
        expect_call(i, taken[i], house_plan.stride[bucket]);
    }
    cr_assert_eq(pool_purge_in_place(bucket, taken, 2), 2);
    cr_assert_eq(pool_purge_in_place(bucket, taken, 0), 0);
    cr_assert_eq(house_metadata(bucket, SLOT_PURGED), 0);
    cr_assert_null(crew_fault(), "%s", crew_fault());
    house_assert();
}

Test(pool_purge_runs, step_in_place_is_one_call)
{
    advice_allow_together();
    give_in_place(B16K, 16, 1);
}

Test(pool_purge_runs, step_in_place_is_short_where_each_slot_takes_a_call)
{
    give_in_place(B16K, 6, -1U);
}

Test(pool_purge_runs, step_in_place_goes_on_behind_a_refused_slot)
{
    enum { COUNT = 4 };
    advice_allow_together();
    house_lay_default();
    take(B16K, COUNT);
    give_by_steps(COUNT, 1);
    asked.calls = 0;
    asked.kept = taken[1];
    cr_assert_eq(pool_purge_in_place(B16K, taken, COUNT), COUNT);
    expect_call(asked.calls - 2, taken[2], house_plan.stride[B16K]);
    expect_call(asked.calls - 1, taken[3], house_plan.stride[B16K]);
    cr_assert_null(crew_fault(), "%s", crew_fault());
}
