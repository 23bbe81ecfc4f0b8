/* Tests of pool/pool_atfork.c in the child of a process with several threads. The kernel copies pages one after the
 * other, so a child's pages may show different moments of its parent. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "memory/slots.h"
#include "os/os_process.h"
#include "pool/pool.h"
#include "route/route.h"
#include "support/alone.h"
#include "support/crew.h"
#include "support/house.h"

enum { RUN = 16 /* the number of slots that are carved at once */ };

/*
 * Calls, in this one process, the function that the library runs before a fork, and then the function that it runs in
 * the child. If `alone` is true, the process counts as having one thread before the fork; otherwise it counts as having
 * other threads, without caches.
 */
static void fork_as_if(bool alone)
{
    alone_set(alone);
    pool_before_fork();
    alone_set(false);
    pool_atfork_child_at_once();
}

/* Does the first half of an allocation: pops a slot from the bucket's stack of free slots, and does not mark the slot
 * as live in its metadata. */
static void take_half(void)
{
    house_give(house_take(B1M, 1 << 20, NULL));
    cr_assert_neq(slots_pop_free(B1M), STACK_EMPTY);
    pool_count_stack_hit(cache_mine, B1M);
    cr_assert_not_null(house_fault(), "the free slot is in no cache and on no stack");
}

Test(pool_atfork_threads, libc_says_whether_there_are_threads)
{
    alone_set(true);
    bool alone = !os_has_threads();
    alone_set(false);
    bool among_others = os_has_threads();
    cr_assert(alone && among_others);
}

/* In the child's memory a slot is no longer on the stack of free slots, but the slot's metadata, which was copied
 * earlier, still says that the slot is free. The child must find the slot. */
Test(pool_atfork_threads, slots_that_only_metadata_knows_are_found)
{
    house_lay_default();
    take_half();
    fork_as_if(false);
    house_assert();
}

/*
 * In the child's memory a new slot has metadata, but is not yet in the count of carved slots. The child must count that
 * slot.
 */
Test(pool_atfork_threads, slots_that_only_metadata_counts_are_counted)
{
    house_lay_default();
    house_carve(B1M, 3);
    atomic_fetch_sub(&region_growth.carved[B1M], 1);
    fork_as_if(false);
    cr_assert_eq(region_carved(B1M), 3);
    house_assert();
}

/* If the parent has only one thread, the child keeps the stacks and counters of the parent, and does not search the
 * metadata. So the slot that take_half has popped stays unknown. */
Test(pool_atfork_threads, without_threads_retained_are_believed)
{
    house_lay_default();
    take_half();
    fork_as_if(true);
    cr_assert_not_null(house_fault());
    cr_assert_not(pool_is_child_of_threads);
}

/* In the child's memory the metadata says that slots were never used, but their pages, which were copied later, have
 * been written to. calloc must clear such slots. */
Test(pool_atfork_threads, unused_slots_are_not_taken_for_zero)
{
    house_lay_default();
    house_give(house_take(B4K, 4096, NULL));
    cr_assert_eq(region_carved(B4K), RUN);
    for (unsigned number = 0; number < RUN; number++) {
        memset(house_slot(B4K, number), 'x', 4096);
    }
    fork_as_if(false);
    cr_assert(pool_is_child_of_threads);
    static const char zeros[4096];
    for (unsigned number = 0; number < RUN; number++) {
        char *bytes = route_alloc_zeroed(1, 4096, NULL);
        cr_assert_eq(memcmp(bytes, zeros, sizeof zeros), 0);
    }
    cr_assert_eq(region_carved(B4K), RUN, "calloc has got the carved slots");
}

/* --- in two steps, for a fork in a signal handler --- */

static void fork_as_if_among_others(void)
{
    alone_set(false);
    pool_before_fork();
    pool_atfork_child();
}

enum { MANY = 300 };

static void lay_many(void)
{
    void *taken[MANY];
    house_lay_default();
    for (unsigned i = 0; i < MANY; i++) {
        taken[i] = house_take(B16K, 16384, NULL);
    }
    for (unsigned i = 0; i < MANY; i++) {
        house_give(taken[i]);
    }
}

/* Right after the fork, before the child has searched for free slots, its counters already agree with the metadata of
 * the slots, and its thread still has its own magazine. */
Test(pool_atfork_threads, forking_thread_has_figures_and_its_own_magazine)
{
    lay_many();
    void *own = house_take(B16K, 16384, NULL);
    house_give(own);
    fork_as_if_among_others();
    cr_assert_eq(pool_recovery, POOL_RECOVERY_DUE);
    cr_assert_not(slots_have_free(B16K));
    house_assert();
    cr_assert_eq(house_take(B16K, 16384, NULL), own);
    cr_assert_eq(pool_recovery, POOL_RECOVERY_DUE, "the fast path does not search for free slots");
    house_assert();
    pool_recover_due();
    cr_assert_eq(pool_recovery, POOL_RECOVERED);
    house_assert();
}

/* A signal handler forks while the interrupted malloc has popped a slot from its magazine and has not marked the slot
 * as live in its metadata. The child must not find this slot as free, because the interrupted malloc will return it. */
Test(pool_atfork_threads, slot_that_the_forking_thread_holds_is_not_found)
{
    lay_many();
    uint32_t carved = region_carved(B16K);
    void *in_hand = cache_pop(&cache_mine->bin[B16K]);
    cr_assert_not_null(in_hand);
    fork_as_if_among_others();
    counter_add(&cache_mine->bin[B16K].requests, 1);
    pool_mark(region_number(in_hand), slot_meta_of(SLOT_LIVE, B16K), pool_owner(), 16384, NULL);
    for (uint32_t i = 1; i < carved; i++) {
        cr_assert_neq(house_take(B16K, 16384, NULL), in_hand);
    }
    cr_assert_eq(pool_recovery, POOL_RECOVERED);
    cr_assert_eq(region_carved(B16K), carved, "all other slots were found");
    house_assert();
}

/* A signal handler forks in the middle of a free: the interrupted code has marked its slot as free in its metadata, and
 * has not yet pushed the slot to a magazine. The child must find this slot once and not twice. */
Test(pool_atfork_threads, slot_that_the_forking_thread_frees_is_found_once)
{
    lay_many();
    uint32_t carved = region_carved(B16K);
    void *in_hand = house_take(B16K, 16384, NULL);
    uint8_t freed;
    cr_assert(slot_meta_free(region_meta(region_number(in_hand)), &freed));
    region_set_meta(region_number(in_hand), freed);
    fork_as_if_among_others();
    cr_assert(cache_push(&cache_mine->bin[B16K], in_hand));
    counter_step(&cache_mine->bin[B16K].returned);
    unsigned times = 0;
    for (uint32_t i = 0; i < carved; i++) {
        times += house_take(B16K, 16384, NULL) == in_hand;
    }
    cr_assert_eq(times, 1);
    cr_assert_eq(region_carved(B16K), carved);
    house_assert();
}

static void take_one(unsigned number)
{
    (void)number;
    CHECK(house_take(B16K, 16384, NULL) != NULL);
}

/*
 * In the child a second thread uses the pools before the forking thread has reached a slow path. The child then gives
 * up its search for free slots. The reason is that the forking thread may still be in the middle of an allocation or a
 * free, and hold a slot whose metadata says that it is free.
 */
Test(pool_atfork_threads, another_thread_ends_the_waiting)
{
    lay_many();
    uint32_t carved = region_carved(B16K);
    fork_as_if_among_others();
    crew_run(1, take_one);
    cr_assert_eq(pool_recovery, POOL_RECOVERED);
    cr_assert_gt(region_carved(B16K), carved);
}
