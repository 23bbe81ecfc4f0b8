/* Tests of pool_return, which unmaps long runs of free slots when the kernel has refused memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "memory/hole.h"
#include "memory/slots.h"
#include "os/os.h"
#include "pool/pool.h"
#include "route/route.h"
#include "statistics/snapshot.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"
#include "support/recovered.h"

enum { EACH = 40, MANY = BUCKETS * EACH, EVERYTHING = 1 << 30 };

static void *taken[MANY];
static unsigned count;

static void lay(void)
{
    os_failing_never();
    house_lay_default();
}

/* Returns the sum of the bytes of all carved slots. */
static size_t carved_bytes(void)
{
    size_t bytes = 0;
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        bytes += region_carved(bucket) * house_plan.stride[bucket];
    }
    return bytes;
}

static unsigned bucket_of(const void *slot)
{
    return region_bucket(region_number(slot));
}

/* Allocates EACH slots of every bucket below 1 MiB, and four of each larger bucket. Writes to every byte of them. */
static void take_all(void)
{
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        for (unsigned i = 0; i < (bucket < B1M ? EACH : 4); i++) {
            taken[count] = house_take(bucket, house_plan.capacity[bucket], NULL);
            cr_assert_not_null(taken[count]);
            memset(taken[count], (int)count, house_plan.capacity[bucket]);
            count++;
        }
    }
}

/* Frees the slots whose index is no multiple of `step`, or all slots if `step` is 0. */
static void give_but_each(unsigned step)
{
    for (unsigned i = 0; i < count; i++) {
        if (step == 0 || i % step != 0) {
            house_give(taken[i]);
        }
    }
}

/* Checks that the slots that give_but_each has not freed, those whose index is a multiple of `step`, are live and have
 * their request and their content. */
static void expect_untouched(unsigned step)
{
    for (unsigned i = 0; i < count; i += step) {
        const char *bytes = taken[i];
        uint32_t number = region_number(bytes);
        size_t size = house_plan.capacity[bucket_of(bytes)];
        cr_assert_eq(slot_meta_state(region_meta(number)), SLOT_LIVE);
        cr_assert_eq(region_request(number), size);
        cr_assert(bytes[0] == (char)i && memcmp(bytes, bytes + 1, size - 1) == 0, "slot %u", i);
    }
}

Test(pool_return, nothing_free_nothing_returned)
{
    lay();
    cr_assert_eq(pool_return(), 0U);
    cr_assert_not_null(house_take(B1M, 1 << 20, NULL));
    cr_assert_eq(pool_return(), 0U);
    house_assert();
}

Test(pool_return, free_slots_of_all_buckets_are_returned)
{
    lay();
    take_all();
    give_but_each(0);
    house_assert();
    size_t carved = carved_bytes();
    size_t held = os_failing_held();
    size_t returned = pool_return();
    house_assert();
    cr_assert_gt(returned, carved / 2);
    cr_assert_eq(carved_bytes(), carved - returned);
    cr_assert_leq(os_failing_held(), held - returned);
    for (unsigned bucket = B128K; bucket < house_plan.count; bucket++) {
        cr_assert_eq(region_carved(bucket), 0U, "%s", house_plan.label[bucket]);
    }
    cr_assert_eq(pool_return(), 0U, "the second call finds nothing to do");
}

/* Free slots of different buckets that lie side by side are unmapped together, even if the slots of one bucket alone
 * are too few. */
Test(pool_return, adjacent_slots_of_different_buckets_are_returned_together)
{
    static const unsigned mixed[] = {B128K, B64K, B128K};
    void *held[3];
    size_t size = 0;
    lay();
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(region_carve(mixed[i], 1, &held[i]), 1);
        size += house_plan.stride[mixed[i]];
    }
    for (unsigned i = 0; i < 3; i++) {
        house_mark(held[i], SLOT_FREE, 0);
        slots_push(mixed[i], region_number(held[i]));
        pool_count_deposit(cache_reach(), mixed[i], 1);
    }
    house_assert();
    cr_assert_eq(pool_return(), size);
    cr_assert_eq(region_next(0), REGION_END);
    house_assert();
}

Test(pool_return, live_slots_between_stay)
{
    enum { STEP = 7 };
    lay();
    take_all();
    give_but_each(STEP);
    size_t carved = carved_bytes();
    size_t returned = pool_return();
    cr_assert_gt(returned, 0U);
    house_assert();
    expect_untouched(STEP);
    cr_assert_eq(carved_bytes(), carved - returned);
    count = 0;
    take_all(); /* carves new slots at the addresses that were unmapped, and then behind the last slot */
    house_assert();
}

/* Fewer than HOLE_LEAST bytes of adjacent free slots are not unmapped. These slots keep their addresses and are used
 * again. */
Test(pool_return, short_runs_stay)
{
    void *held[8];
    lay();
    for (unsigned i = 0; i < 8; i++) {
        held[i] = house_take(B128K, 131072, NULL);
    }
    for (unsigned i = 0; i < 8; i += 2) {
        house_give(held[i]);
    }
    cr_assert_lt(house_plan.stride[B128K], (size_t)HOLE_LEAST);
    cr_assert_eq(pool_return(), 0U);
    cr_assert_eq(house_metadata(B128K, SLOT_PURGED), 4U);
    house_assert();
    uint32_t carved = region_carved(B128K);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_not_null(house_take(B128K, 131072, NULL));
    }
    cr_assert_eq(region_carved(B128K), carved);
    house_assert();
}

Test(pool_return, slots_that_cannot_be_unmapped_stay)
{
    lay();
    take_all();
    give_but_each(0);
    size_t carved = carved_bytes();
    os_failing_keep_mapped(true);
    cr_assert_eq(pool_return(), 0U);
    os_failing_keep_mapped(false);
    cr_assert_eq(carved_bytes(), carved);
    house_assert();
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        cr_assert_not(slot_meta_is_leaving(region_meta(number)));
    }
    cr_assert_gt(pool_return(), 0U, "the slots can be returned later");
    house_assert();
}

/* Returns how many calls for memory the library makes for one slot of the bucket if the kernel refuses each of them. */
static unsigned vain_calls(unsigned bucket)
{
    os_failing_from(1);
    cr_assert_null(house_take(bucket, house_plan.capacity[bucket], NULL));
    return os_failing_refusals();
}

/* If the kernel refuses memory for a new slot, malloc unmaps free slots of other buckets, and then succeeds. */
Test(pool_return, refused_request_is_served_from_returned_slots)
{
    lay();
    void *first = house_take(B4M, 4 << 20, NULL);
    void *wall = house_take(B4M, 4 << 20, NULL);
    house_give(first);
    cr_assert_not(pool_is_tight());
    size_t request = house_plan.capacity[B2M];
    os_failing_between(1, vain_calls(B2M));
    char *slot = route_alloc(request, NULL);
    os_failing_never();
    cr_assert_eq((void *)slot, first);
    cr_assert_eq(bucket_of(slot), (unsigned)B2M);
    cr_assert(slot[0] == 0 && memcmp(slot, slot + 1, request - 1) == 0);
    cr_assert(pool_is_tight(), "from now on memory counts as tight");
    cr_assert_eq(slot_meta_state(region_meta(region_number(wall))), SLOT_LIVE);
    house_assert();
}

/* If the range of the pools is full, malloc unmaps free slots and uses their addresses for another bucket. The kernel
 * has not refused memory, so memory does not count as tight. */
Test(pool_return, full_range_is_not_short_memory)
{
    struct bucket_settings settings = house_defaults();
    os_failing_never();
    house_lay(&settings, 23);
    void *large = house_take(B4M, 4 << 20, NULL);
    while (house_take(B64K, 65536, NULL) != NULL) {
    }
    house_give(large);
    char *slot = route_alloc(house_plan.capacity[B1M], NULL);
    cr_assert_eq((void *)slot, large, "the addresses of one bucket serve another");
    cr_assert_not(pool_is_tight());
    house_assert();
}

/* --- two threads at once --- */

static size_t second;

static void return_too(unsigned number)
{
    (void)number;
    second = pool_return();
}

/* Calls pool_return in another thread, while the test's own thread is in pool_return. The other thread must get 0. */
static void come_second(void)
{
    second = SIZE_MAX;
    crew_run(1, return_too);
}

Test(pool_return, second_caller_returns_nothing, .timeout = 20)
{
    lay();
    take_all();
    give_but_each(0);
    size_t carved = carved_bytes();
    /* come_second runs while the first caller of pool_return unmaps its first run of slots */
    os_failing_meanwhile(come_second);
    size_t returned = pool_return();
    cr_assert_eq(second, 0U);
    cr_assert_gt(returned, 0U);
    cr_assert_eq(carved_bytes(), carved - returned);
    house_assert();
    /*
     * Checks that each slot on the stacks of purged slots still counts as purged. The second call of pool_return must
     * not have pushed a slot that the first call was unmapping.
     */
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        uint32_t number;
        while ((number = slots_pop_purged(bucket)) != STACK_EMPTY) {
            cr_assert_eq(region_meta(number), slot_meta_of(SLOT_PURGED, bucket));
        }
    }
}

enum { THREADS = 6, ROUNDS = 3000 };

/* Runs as one of several threads: two of them unmap free slots while the others allocate and free. No slot that is in
 * use may change. */
static void churn_or_return(unsigned number)
{
    uint64_t random = number + 1;
    char *held[8] = {NULL};
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (number < 2 && round % 8 == 0) {
            pool_return();
        }
        unsigned at = (unsigned)(crew_random(&random) % 8);
        if (held[at] != NULL) {
            size_t size = house_plan.capacity[bucket_of(held[at])];
            CHECK(held[at][0] == (char)number && held[at][size - 1] == (char)number);
            house_give(held[at]);
        }
        unsigned bucket = (unsigned)(crew_random(&random) % (B512K + 1));
        uint8_t was;
        size_t size = house_plan.capacity[bucket];
        held[at] = house_take(bucket, size, &was);
        /* the result may be NULL, because another thread may be extending the range, and this thread does not wait for
         * the other one */
        if (held[at] != NULL) {
            CHECK(bucket_of(held[at]) == bucket);
            CHECK(!slot_meta_is_zero(was) || (held[at][0] == 0 && held[at][size - 1] == 0));
            held[at][0] = held[at][size - 1] = (char)number;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (held[i] != NULL) {
            house_give(held[i]);
        }
    }
}

Test(pool_return, returns_while_threads_work, .timeout = 60)
{
    lay();
    crew_run(THREADS, churn_or_return);
    house_assert();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(house_live(bucket), 0U);
    }
    pool_return();
    house_assert();
}

/* --- while memory is tight --- */

static uint64_t fell_through(unsigned bucket)
{
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    return snapshot.bucket[bucket].fell_through;
}

/* While memory is tight (the kernel has refused memory, or the process is near a limit), realloc moves a growing block
 * to a slot for its request, and reserves no space for further growth. */
Test(pool_return, tight_blocks_grow_without_extra_space)
{
    lay();
    pool_make_tight();
    char *bytes = route_alloc(8000, NULL);
    cr_assert_eq(bucket_of(bytes), (unsigned)B4K);
    bytes = route_realloc("realloc", bytes, 35000, NULL);
    cr_assert_eq(bucket_of(bytes), (unsigned)B32K, "the block has grown to more than four times its size at once");
    bytes = route_realloc("realloc", bytes, 65536, NULL);
    cr_assert_eq(bucket_of(bytes), (unsigned)B64K, "the block has grown a second time");
    house_assert();
}

/* Returns true if the block has a slot for itself alone. */
static bool has_slot(const void *bytes)
{
    return region_owns(bytes) && region_find(bytes).exact;
}

/* While memory is tight, a request of less than nine tenths of a slot's size gets no slot of its own, and shares a slot
 * with other blocks. The reason is that the whole slot counts against a memory limit. */
Test(pool_return, tight_wasteful_requests_get_no_slot)
{
    lay();
    pool_make_tight();
    size_t least = house_plan.stride[B8K] / 10 * 9;
    char *bytes = route_alloc(least - 1, NULL);
    cr_assert(bytes != NULL && !has_slot(bytes));
    cr_assert_eq(fell_through(B8K), 1U);
    route_free("free", bytes);
    bytes = route_alloc_zeroed(1, least - 1, NULL);
    cr_assert(bytes != NULL && !has_slot(bytes));
    route_free("free", bytes);
    bytes = route_alloc(least, NULL);
    cr_assert(has_slot(bytes));
    cr_assert_eq(bucket_of(bytes), (unsigned)B8K);
    route_free("free", bytes);
    bytes = route_alloc(least - 1, NULL);
    cr_assert(has_slot(bytes), "the fast path uses the free slot in the thread's cache, which counts anyway");
    house_assert();
}

/* While memory is tight, a request of 64 KiB or more that would leave more than a seventh of a slot unused gets no
 * slot, and shares none. In this test no block has a mapping of its own, so mimalloc serves such requests. */
Test(pool_return, tight_wasteful_requests_go_to_mimalloc)
{
    lay();
    pool_make_tight();
    size_t least = house_plan.stride[B128K] / 7 * 6;
    char *bytes = route_alloc(least - 1, NULL);
    cr_assert(bytes != NULL && !region_owns(bytes));
    cr_assert_eq(fell_through(B128K), 1U);
    route_free("free", bytes);
    bytes = route_alloc(least, NULL);
    cr_assert(has_slot(bytes));
    house_assert();
}

/*
 * While memory is tight, the range grows by no more than the slot needs: to the end of the slot and one page behind it.
 */
Test(pool_return, tight_tables_grow_by_what_is_needed)
{
    lay();
    pool_make_tight();
    void *slot;
    cr_assert_eq(region_carve(B128K, 1, &slot), 1);
    cr_assert_eq(region_ready(), ((size_t)region_front() << REGION_SHIFT) + os_page_size());
}

/* --- in the child of a fork --- */

static uint32_t leaving_first;
static uint32_t leaving_end;

static bool is_leaving(const void *slot)
{
    uint32_t number = region_number(slot);
    return number >= leaving_first && number < leaving_end;
}

/* Runs in the child of a fork that came while the slots from page `leaving_first` to page `leaving_end` were being
 * unmapped. The child must not know these slots any more, and allocate none of them. */
static void live_without_leaving(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    recovered_expect();
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        CHECK(!slot_meta_is_leaving(region_meta(number)));
        CHECK(number < leaving_first || number >= leaving_end);
    }
    for (unsigned i = 0; i < EACH; i++) {
        char *slot = house_take(B256K, 262144, NULL);
        if (CHECK(slot != NULL && !is_leaving(slot))) {
            memset(slot, 'c', 262144);
            house_give(slot);
        }
        house_give(slot = house_take(B4K, 4096, NULL));
        CHECK(!is_leaving(slot));
    }
    house_check();
    CHECK(pool_return() > 0); /* no other thread of the child unmaps slots, so the child may do it */
    house_check();
}

/* Stores which pages belong to slots that are marked as leaving, because their addresses are being unmapped. */
static void note_leaving(void)
{
    leaving_first = REGION_END;
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        if (slot_meta_is_leaving(region_meta(number))) {
            leaving_first = leaving_first == REGION_END ? number : leaving_first;
            leaving_end = number + region.geometry[region_bucket(number)].pages;
        }
    }
}

static void fork_then(unsigned number)
{
    struct capture capture;
    (void)number;
    note_leaving();
    CHECK(leaving_first != REGION_END);
    pool_before_fork();
    capture_run(&capture, live_without_leaving, NULL);
    recovered_expect_clean(&capture);
}

static void fork_in_another_thread(void)
{
    crew_run(1, fork_then);
}

/* The process forks while it unmaps free slots. In the child the memory of these slots may be gone, so the child must
 * not use these slots. */
Test(pool_return, child_does_not_use_slots_being_unmapped, .timeout = 60)
{
    void *held[8];
    lay();
    house_give(house_take(B4K, 4096, NULL));
    for (unsigned i = 0; i < 8; i++) {
        held[i] = house_take(B256K, 262144, NULL);
    }
    for (unsigned i = 2; i < 6; i++) {
        house_give(held[i]);
    }
    os_failing_meanwhile(fork_in_another_thread);
    cr_assert_eq(pool_return(), 4 * house_plan.stride[B256K]);
    house_assert();
}
