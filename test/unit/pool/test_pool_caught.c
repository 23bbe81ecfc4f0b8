/* The pool room in a child whose parent's thread was caught where it holds what all need. */
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

/* The bucket in which a thread is caught: each of its slots makes the range grow. */
enum { CAUGHT = B4M };

static pthread_barrier_t meeting;
static capture_work *child;

static void meet(void)
{
    pthread_barrier_wait(&meeting);
}

/* In the middle of the other thread's step: until the child has done its work. */
static void stand_still(void)
{
    meet();
    meet();
}

/* Number 0 forks, while number 1 stands where it asks the kernel for memory. */
static void fork_or_be_caught(unsigned number)
{
    struct capture capture;
    if (number == 1) {
        meet(); /* number 0 has its cache */
        house_take(CAUGHT, 4 << 20, NULL);
        return;
    }
    house_give(house_take(B4K, 4096, NULL));
    os_failing_meanwhile(stand_still);
    meet();
    meet(); /* number 1 stands still */
    capture_run(&capture, child, NULL);
    recovered_expect_clean(&capture);
    meet();
}

/* --- between a run's pages and the word that they are there ------------------------------------
 */

/* Number 1 has the kernel's word for new slots, and has told nobody. */
static void fork_or_be_caught_afterwards(unsigned number)
{
    struct capture capture;
    if (number == 1) {
        cache_reach(); /* so that it is the range, and not the table of caches */
        meet();
        CHECK(house_take(CAUGHT, 4 << 20, NULL) != NULL);
        return;
    }
    house_give(house_take(B4K, 4096, NULL));
    os_failing_afterwards(stand_still);
    meet();
    meet(); /* number 1 stands still */
    capture_run(&capture, child, NULL);
    recovered_expect_clean(&capture);
    meet();
}

static void lay(enum kind kind, capture_work *work)
{
    child = work;
    house_pools.kind = kind;
    house_pools.free_list = 8;
    house_pools.crowd = 1;
    cr_assert_eq(pthread_barrier_init(&meeting, NULL, 2), 0);
    house_lay_default();
}

/* --- in the mutex of the pool standard -------------------------------------------------------- */

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

/* Number 1 opens its cache before it is caught, so that it is in the mutex that it stands still. */
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

/* A fork that tells nobody finds the range growing: there it ends. */
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

/* --- where auto turns --------------------------------------------------------------------------
 */

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
    pool_atfork_child_at_once(); /* of number 1, who has no cache yet, there is nothing to adopt */
    house_check();
    CHECK(house_take(CAUGHT, 4 << 20, NULL) != NULL);
    CHECK(pool_kind() == KIND_AUTO); /* this thread has a cache, and is alone */
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
