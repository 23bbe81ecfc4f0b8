/* Tests of the child of a fork that stops another thread at a bad moment: while it holds a lock that all threads need,
 * or while it makes memory ready for all threads. */
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

/* The stopped thread allocates in this bucket, because each slot of the bucket makes the range grow. */
enum { CAUGHT = B4M };

static capture_work *child;

/* Stops the other thread in the middle of its allocation, until the child has done its work. */
static void stand_still(void)
{
    crew_meet();
    crew_meet();
}

/* Thread 0 forks while thread 1 is stopped where it asks the kernel for memory. */
static void fork_or_be_caught(unsigned number)
{
    struct capture capture;
    if (number == 1) {
        crew_meet(); /* now thread 0 has its cache */
        house_take(CAUGHT, 4 << 20, NULL);
        return;
    }
    house_give(house_take(B4K, 4096, NULL));
    os_failing_meanwhile(stand_still);
    crew_meet();
    crew_meet(); /* now thread 1 is stopped */
    capture_run(&capture, child, NULL);
    recovered_expect_clean(&capture);
    crew_meet();
}

/* --- after the kernel has granted pages, and before they are published --- */

/* Thread 1 has got the pages of new slots from the kernel, and is stopped before it publishes them. */
static void fork_or_be_caught_afterwards(unsigned number)
{
    struct capture capture;
    if (number == 1) {
        cache_reach(); /* opens the cache first, so that the range grows here and not the table of caches */
        crew_meet();
        CHECK(house_take(CAUGHT, 4 << 20, NULL) != NULL);
        return;
    }
    house_give(house_take(B4K, 4096, NULL));
    os_failing_afterwards(stand_still);
    crew_meet();
    crew_meet(); /* now thread 1 is stopped */
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

/* Both threads open their caches first, so that thread 1 is stopped while it holds the mutex of the pool. */
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

/* After a fork without fork handlers, the child's copy of the range still counts as growing, so that the child cannot
 * carve. */
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

static void turn_in_the_child(void *argument)
{
    pthread_t thread;
    (void)argument;
    CHECK(pool_kind() == KIND_AUTO);
    pool_atfork_child_at_once(); /* thread 1 had no cache at the fork, so it held no slot */
    house_check();
    CHECK(house_take(CAUGHT, 4 << 20, NULL) != NULL);
    CHECK(pool_kind() == KIND_AUTO); /* this thread has a cache, and there is no other */
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
