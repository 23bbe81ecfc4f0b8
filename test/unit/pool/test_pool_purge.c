/* Tests of purging: which slots pool_trim purges, which slots it leaves, and how purged slots are used again. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "memory/slots.h"
#include "pool/pool.h"
#include "support/advice.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/steps.h"

enum { SLOTS = 200, THREADS = 8, ROUNDS = 20000, EVERYTHING = 1 << 30 };

static void *taken[SLOTS];

/* Slots whose pages the simulated kernel refuses to purge, as Linux before 5.18 did with locked pages. */
static const void *kept[SLOTS];
static unsigned kept_count;

static bool has_kept(const char *start, size_t size)
{
    for (unsigned i = 0; i < kept_count; i++) {
        const char *slot = kept[i];
        if (slot >= start && slot < start + size) {
            return true;
        }
    }
    return false;
}

/* Answers madvise in place of the kernel: refuses a range that contains a slot in `kept`. */
static long refuse_for_kept(char *start, size_t size, int advice)
{
    (void)advice;
    return kept_count > 0 && region_owns(start) && has_kept(start, size) ? -EINVAL : ADVICE_TO_KERNEL;
}

static void prepare(void)
{
    advice_answer(refuse_for_kept);
}

TestSuite(pool_purge, .init = prepare);

/* Allocates `count` slots of the bucket, writes to every byte of each, and frees them. */
static void fill_and_give(unsigned bucket, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(bucket, house_plan.capacity[bucket], NULL);
        cr_assert_not_null(taken[i]);
        memset(taken[i], 'x', house_plan.capacity[bucket]);
    }
    for (unsigned i = 0; i < count; i++) {
        house_give(taken[i]);
    }
}

static bool is_zero(const char *slot, size_t size)
{
    return slot[0] == 0 && memcmp(slot, slot + 1, size - 1) == 0;
}

Test(pool_purge, nothing_free_nothing_purged)
{
    house_lay_default();
    cr_assert_eq(pool_trim(EVERYTHING), 0);
    house_take(B1M, 1 << 20, NULL);
    cr_assert_eq(pool_trim(EVERYTHING), 0);
    house_assert();
}

Test(pool_purge, large_slots_go_back_to_the_kernel)
{
    house_lay_default();
    fill_and_give(B1M, 10);
    cr_assert_eq(house_figures(B1M)->resident, 10 * house_plan.capacity[B1M]);
    cr_assert_eq(pool_trim(EVERYTHING), 10 * house_plan.stride[B1M]);
    cr_assert_eq(house_figures(B1M)->resident, 0);
    cr_assert_eq(house_figures(B1M)->purged, 10);
    cr_assert_eq(house_figures(B1M)->depot, 0);
    house_assert();
    cr_assert_eq(pool_trim(EVERYTHING), 0, "the second call finds nothing to do");
}

/* pool_trim purges the slots of the depot, and does not purge those in the thread's cache. */
Test(pool_purge, depot_is_purged_and_caches_stay)
{
    house_lay_default();
    fill_and_give(B16K, SLOTS);
    uint64_t cached = house_figures(B16K)->cached;
    uint64_t depot = house_figures(B16K)->depot;
    cr_assert(cached > 0 && depot > 0);
    cr_assert_eq(pool_trim(EVERYTHING), depot * house_plan.stride[B16K]);
    cr_assert_eq(house_figures(B16K)->cached, cached);
    cr_assert_eq(house_figures(B16K)->depot, 0);
    cr_assert_eq(house_metadata(B16K, SLOT_PURGED), depot);
    house_assert();
}

Test(pool_purge, live_slots_keep_their_content)
{
    house_lay_default();
    fill_and_give(B128K, 10);
    char *slot = house_take(B128K, 100000, NULL);
    memset(slot, 'y', 100000);
    cr_assert_eq(pool_trim(EVERYTHING), 9 * house_plan.stride[B128K]);
    cr_assert(slot[0] == 'y' && memcmp(slot, slot + 1, 99999) == 0);
}

Test(pool_purge, limit_is_kept_to_a_slot)
{
    house_lay_default();
    fill_and_give(B128K, 20);
    size_t stride = house_plan.stride[B128K];
    cr_assert_eq(pool_trim(0), 0);
    cr_assert_eq(pool_trim(1), stride, "a slot is purged as a whole");
    cr_assert_eq(pool_trim(3 * stride), 3 * stride);
    cr_assert_eq(house_figures(B128K)->purged, 4);
    house_assert();
}

Test(pool_purge, large_buckets_come_first)
{
    house_lay_default();
    fill_and_give(B128K, 5);
    fill_and_give(B2M, 2);
    fill_and_give(B16K, SLOTS);
    cr_assert_eq(pool_trim(2 * house_plan.stride[B2M]), 2 * house_plan.stride[B2M]);
    cr_assert_eq(house_figures(B2M)->purged, 2);
    cr_assert_eq(house_figures(B128K)->purged, 0);
    cr_assert_eq(pool_trim(5 * house_plan.stride[B128K]), 5 * house_plan.stride[B128K]);
    cr_assert_eq(house_figures(B128K)->purged, 5);
    cr_assert_eq(house_metadata(B16K, SLOT_PURGED), 0);
}

Test(pool_purge, purged_slots_are_taken_last_and_are_zero)
{
    house_lay_default();
    fill_and_give(B256K, 4);
    cr_assert_eq(pool_trim(2 * house_plan.stride[B256K]), 2 * house_plan.stride[B256K]);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t was;
        house_take(B256K, 262144, &was);
        cr_assert_eq(slot_meta_state(was), SLOT_FREE);
    }
    for (unsigned i = 0; i < 2; i++) {
        uint8_t was;
        char *slot = house_take(B256K, 262144, &was);
        cr_assert_eq(was, slot_meta_of(SLOT_PURGED, B256K));
        cr_assert(is_zero(slot, house_plan.capacity[B256K]));
        slot[0] = 1;
    }
    cr_assert_eq(house_figures(B256K)->carved, 4);
    cr_assert_eq(house_figures(B256K)->purged, 0);
    house_assert();
}

Test(pool_purge, purged_slots_of_a_trained_bucket_come_back)
{
    house_lay_default();
    fill_and_give(B16K, SLOTS);
    pool_trim(EVERYTHING);
    uint64_t carved = house_figures(B16K)->carved;
    uint64_t zero = 0;
    for (uint64_t i = 0; i < carved; i++) {
        uint8_t was;
        char *slot = house_take(B16K, 20000, &was);
        cr_assert_not_null(slot);
        cr_assert(!slot_meta_is_zero(was) || is_zero(slot, house_plan.capacity[B16K]));
        zero += slot_meta_state(was) == SLOT_PURGED;
    }
    cr_assert_gt(zero, 0);
    cr_assert_eq(house_figures(B16K)->carved, carved, "purged slots are used before new ones are carved");
    cr_assert_eq(house_figures(B16K)->live, carved);
    house_assert();
}

/* A slot whose pages the kernel refuses to purge stays free. calloc must clear this slot, because its pages keep their
 * content. */
Test(pool_purge, slots_that_the_kernel_keeps_stay_free)
{
    house_lay_default();
    fill_and_give(B128K, 1);
    kept[kept_count++] = taken[0];
    cr_assert_eq(pool_trim(EVERYTHING), 0);
    cr_assert_eq(house_figures(B128K)->purged, 0);
    cr_assert_eq(house_figures(B128K)->depot, 1);
    house_assert();
    uint8_t was;
    cr_assert_eq(house_take(B128K, 100000, &was), taken[0]);
    cr_assert_not(slot_meta_is_zero(was));
}

/* If the kernel refuses to purge the slots of a magazine, these slots stay free and can all be allocated. */
Test(pool_purge, magazines_that_the_kernel_keeps_go_to_the_stack)
{
    /* WHOLE_RUNS is more slots than two magazines can hold. It is a multiple of 16, the number of slots that are carved
     * at once. */
    enum { WHOLE_RUNS = 192 };
    house_lay_default();
    fill_and_give(B64K, WHOLE_RUNS);
    cr_assert_eq(house_figures(B64K)->carved, WHOLE_RUNS);
    uint64_t depot = house_figures(B64K)->depot;
    cr_assert_gt(depot, 0);
    for (unsigned i = 0; i < WHOLE_RUNS; i++) {
        kept[kept_count++] = taken[i];
    }
    cr_assert_eq(pool_trim(EVERYTHING), 0);
    cr_assert_eq(house_figures(B64K)->depot, depot);
    cr_assert_eq(house_figures(B64K)->purged, 0);
    house_assert();
    for (unsigned i = 0; i < WHOLE_RUNS; i++) {
        uint8_t was;
        cr_assert_not_null(house_take(B64K, 65536, &was));
        cr_assert_not(slot_meta_is_zero(was));
    }
    cr_assert_eq(house_figures(B64K)->carved, WHOLE_RUNS, "every slot can be allocated");
    house_assert();
}

/* Runs as one of several threads: thread 0 purges free slots by pool_trim while the others allocate and free. No slot
 * that is in use may be purged. */
static void churn_or_trim(unsigned number)
{
    uint64_t random = number + 1;
    char *held[8] = {NULL};
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (number == 0) {
            pool_trim(1 << 20);
            continue;
        }
        unsigned at = (unsigned)(crew_random(&random) % 8);
        if (held[at] != NULL) {
            CHECK(held[at][0] == (char)number && held[at][8000] == (char)number);
            house_give(held[at]);
        }
        uint8_t was;
        held[at] = house_take(at % 2 == 0 ? B4K : B128K, 8192, &was);
        if (!CHECK(held[at] != NULL)) {
            return;
        }
        CHECK(!slot_meta_is_zero(was) || (held[at][0] == 0 && held[at][8000] == 0));
        held[at][0] = held[at][8000] = (char)number;
    }
    for (unsigned i = 0; i < 8 && number != 0; i++) {
        house_give(held[i]);
    }
}

Test(pool_purge, trims_while_threads_work)
{
    house_lay_default();
    crew_run(THREADS, churn_or_trim);
    house_assert();
    cr_assert_eq(house_figures(B4K)->live + house_figures(B128K)->live, 0);
}

/* Here the simulated kernel has process_madvise, by which pool_trim purges slots that lie apart in one call. */
Test(pool_purge, trims_of_scattered_slots_beside_other_threads)
{
    advice_allow_together();
    house_lay_default();
    crew_run(THREADS, churn_or_trim);
    house_assert();
    cr_assert_eq(house_figures(B4K)->live + house_figures(B128K)->live, 0);
}

/* --- another thread allocates a slot at any moment --- */

static uint32_t taken_between;

static void trim_one(void)
{
    pool_trim(1);
}

/* Runs after any one instruction of trim_one, as another thread might: allocates the slot if trim_one has already
 * pushed it onto the stack of purged slots. */
static void take_purged(void *context)
{
    (void)context;
    taken_between = slots_pop_purged(B4M);
    if (taken_between != STACK_EMPTY) {
        pool_mark(taken_between, slot_meta_of(SLOT_LIVE, B4M), 0, 1, NULL);
    }
}

/* If a slot is allocated while pool_trim still runs, the slot must stay live: pool_trim must not write to its metadata
 * after it has pushed the slot onto the stack of purged slots. */
Test(pool_purge, slot_may_be_allocated_while_it_is_purged, .timeout = 60)
{
    bool stopped = true;
    unsigned takes = 0;
    steps_need();
    house_lay_default();
    void *slot = house_take(B4M, house_plan.capacity[B4M], NULL);
    for (unsigned at = 1; stopped; at++) {
        house_give(slot);
        taken_between = STACK_EMPTY;
        stopped = steps_run(at, trim_one, take_purged);
        if (taken_between == STACK_EMPTY) {
            slot = house_take(B4M, house_plan.capacity[B4M], NULL);
        } else {
            cr_assert_eq(region_slot(taken_between), slot);
            cr_assert_eq(slot_meta_state(region_meta(taken_between)), SLOT_LIVE, "after %u instructions", at);
            takes++;
        }
    }
    cr_assert_gt(takes, 0U);
}
