/* Tests of fork children. At the fork another thread of the parent holds a lock that all threads need, or is getting
 * memory from the kernel for all threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>

#include "pool/pool.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"
#include "support/processors.h"
#include "support/quotas.h"
#include "support/recovered.h"

/* The interrupted thread allocates in this bucket, in which every new slot makes the range grow. */
enum { CAUGHT = B4M };

static capture_work *child;

/* Runs in the middle of thread 1's allocation, and makes thread 1 wait there until the child has ended. */
static void stand_still(void)
{
    crew_meet();
    crew_meet();
}

/* Thread 0 forks while thread 1 stands still in a call that asks the kernel for memory. */
static void fork_or_be_caught(unsigned number)
{
    struct capture capture;
    if (number == 1) {
        crew_meet(); /* thread 0 has its cache now */
        crew_meet();
        house_take(CAUGHT, 4 << 20, NULL);
        return;
    }
    house_give(house_take(B4K, 4096, NULL));
    /* Waits for thread 1. If the test needs a cache of thread 1, thread 1 has opened it by then, so that stand_still
     * does not interrupt the opening. */
    crew_meet();
    os_failing_meanwhile(stand_still);
    crew_meet();
    crew_meet(); /* from here on thread 1 stands still */
    capture_run(&capture, child, NULL);
    recovered_expect_clean(&capture);
    crew_meet();
}

/* --- after the kernel has granted pages, and before they are published --- */

/* Thread 0 forks while thread 1 stands still. At that moment the kernel has given thread 1 the pages of new slots, and
 * thread 1 has not yet published these slots to other threads. */
static void fork_or_be_caught_afterwards(unsigned number)
{
    struct capture capture;
    if (number == 1) {
        /*
         * opens this thread's cache, so that the next memory that the thread gets is for the range and not for the
         * table of caches
         */
        cache_reach();
        crew_meet();
        crew_meet();
        CHECK(house_take(CAUGHT, 4 << 20, NULL) != NULL);
        return;
    }
    house_give(house_take(B4K, 4096, NULL));
    /* waits until thread 1 has opened its cache, so that stand_still does not interrupt the opening */
    crew_meet();
    os_failing_afterwards(stand_still);
    crew_meet();
    crew_meet(); /* from here on thread 1 stands still */
    capture_run(&capture, child, NULL);
    recovered_expect_clean(&capture);
    crew_meet();
}

static void lay(enum kind kind, capture_work *work)
{
    child = work;
    house_pools.kind = kind;
    house_pools.free_list = 8;
    house_pools.crowd = 1;
    house_lay_default();
}

/* --- inside the mutex of the kind `standard` --- */

static void take_behind_the_mutex(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    recovered_expect();
    void *slot = house_take(CAUGHT, 4 << 20, NULL);
    CHECK(slot != NULL);
    house_give(slot);
    recovered_take_all_free(CAUGHT);
    house_check();
}

/*
 * Thread 0 forks while thread 1 holds the mutex of the pool and stands still in a call for memory. Both threads open
 * their caches first, because thread 1 would otherwise stand still in the opening of its cache, which also calls for
 * memory, and would not yet hold the mutex.
 */
static void fork_or_be_in_the_mutex(unsigned number)
{
    cache_reach();
    fork_or_be_caught(number);
}

Test(pool_caught, child_is_not_held_up_by_the_mutex, .timeout = 60)
{
    lay(KIND_STANDARD, take_behind_the_mutex);
    crew_run(2, fork_or_be_in_the_mutex);
    house_assert();
}

/*
 * Runs in the child of a fork. The unit test does not install the library's fork handlers, so none ran before the fork,
 * and another thread was extending the range at that moment. The child calls the handler for children itself. The other
 * thread does not exist in the child, so the range counts as growing for ever there, and the child cannot carve slots.
 */
static void carve_in_the_child(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    recovered_expect();
    CHECK(house_take(CAUGHT, 4 << 20, NULL) == NULL);
    house_check();
}

Test(pool_caught, child_has_no_more_than_was_there, .timeout = 60)
{
    lay(KIND_LOCKFREE, carve_in_the_child);
    crew_run(2, fork_or_be_caught_afterwards);
    house_assert();
}

/* --- where the kind `auto` changes --- */

static void *take_in_another_thread(void *argument)
{
    CHECK(house_take(CAUGHT, 4 << 20, NULL) != NULL);
    CHECK(pool_kind() == KIND_CPU);
    return argument;
}

/* Runs in the child of a fork. At the fork thread 1 of the parent was changing the pool kind `auto` to the caches of
 * processors. The child still has the kind `auto`, and changes it when a second thread of the child needs a cache. */
static void turn_in_the_child(void *argument)
{
    pthread_t thread;
    (void)argument;
    CHECK(pool_kind() == KIND_AUTO);
    /* thread 1 had no cache at the fork, so it cannot have held a slot that the child must find */
    pool_atfork_child_at_once();
    house_check();
    CHECK(house_take(CAUGHT, 4 << 20, NULL) != NULL);
    CHECK(pool_kind() == KIND_AUTO); /* the pool kind is still `auto`, because only this one thread has a cache */
    CHECK(pthread_create(&thread, NULL, take_in_another_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(percpu_quota(B16K) > 0);
    quotas_check();
    house_check();
}

Test(pool_caught, child_turns_by_itself, .timeout = 60)
{
    processors_need();
    lay(KIND_AUTO, turn_in_the_child);
    crew_run(2, fork_or_be_caught);
    cr_assert_eq(pool_kind(), KIND_CPU);
    house_assert();
}
