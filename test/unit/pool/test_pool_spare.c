/* Tests of the spare slot, a free slot of a large bucket that a process's only thread keeps in its cache: when the
 * thread gets one, and when it drops the slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/budget.h"
#include "pool/background.h"
#include "pool/pool.h"
#include "pool/pool_sleep.h"
#include "pool/pool_spare.h"
#include "support/ages.h"
#include "support/alone.h"
#include "support/capture.h"
#include "support/house.h"

/* The library can tell only by a flag of glibc, which this header declares, that a process has one thread. Without the
 * header there are no spare slots to test. */
#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>

/* BUSY frees within one step of the clock are more than enough for a thread to get a spare slot. */
enum { BUSY = 200, MEBIBYTE = 1 << 20 };

TestSuite(pool_spare, .timeout = 60);

static uint64_t quotas; /* how many bytes of the budget the quotas took before there was a spare slot */

/* Makes a pair of calls: allocates a slot and frees it. */
static void pair(unsigned bucket)
{
    house_give(house_take(bucket, house_plan.capacity[bucket], NULL));
}

static void be_busy(unsigned bucket)
{
    for (unsigned i = 0; i < BUSY; i++) {
        pair(bucket);
    }
}

/* Sets up pools, and makes the library treat the process as having only one thread. */
static void lay(void)
{
    ages_lay(DECAY);
    quotas = budget_charged();
    alone_set(true);
}

/* Sets up pools, and uses the bucket of 1 MiB until the thread keeps a spare slot of it. */
static void lay_with_spare(void)
{
    lay();
    be_busy(B1M);
    cr_assert(cache_has_spare(cache_mine, B1M));
    cr_assert_eq(house_figures(B1M)->cached, 1);
}

/* Checks that the spare slot lies on the bucket's stack of free slots now, and that the budget no longer counts its
 * bytes. */
static void expect_dropped(void)
{
    cr_assert_not(cache_has_spare(cache_mine, B1M));
    cr_assert_eq(house_figures(B1M)->cached, 0);
    cr_assert_eq(house_figures(B1M)->depot, 1);
    cr_assert_eq(budget_charged(), quotas);
    house_assert();
}

Test(pool_spare, serves_a_busy_thread_without_the_stack)
{
    lay_with_spare();
    uint64_t from_stack = house_figures(B1M)->depot_hits;
    be_busy(B1M);
    cr_assert_eq(house_figures(B1M)->depot_hits, from_stack);
    house_assert();
}

Test(pool_spare, thread_with_few_frees_keeps_none)
{
    lay();
    for (unsigned i = 0; i < BUSY; i++) {
        pair(B1M);
        clock_still_advance(1);
    }
    cr_assert_not(cache_has_spare(cache_mine, B1M));
}

Test(pool_spare, second_free_slot_goes_to_the_stack)
{
    lay_with_spare();
    void *first = house_take(B1M, MEBIBYTE, NULL);
    void *second = house_take(B1M, MEBIBYTE, NULL);
    house_give(first);
    house_give(second);
    cr_assert_eq(house_figures(B1M)->cached, 1);
    cr_assert_eq(house_figures(B1M)->depot, 1);
    cr_assert_eq(house_take(B1M, MEBIBYTE, NULL), first);
    cr_assert_eq(house_take(B1M, MEBIBYTE, NULL), second);
    house_assert();
}

Test(pool_spare, is_charged_to_the_budget)
{
    lay_with_spare();
    cr_assert_eq(budget_charged(), quotas + house_plan.capacity[B1M]);
}

/* Each of the next functions chooses a setting or a kind of pool with which no thread keeps a spare slot. */
static void limit_large(void)
{
    house_pools.large_limit = 100 * MEBIBYTE;
}

static void limit_all(void)
{
    house_pools.retain_limit = 100 * MEBIBYTE;
}

static void limit_caches(void)
{
    house_pools.cache_limit = MEBIBYTE;
}

static void be_lockfree(void)
{
    house_pools.kind = KIND_LOCKFREE;
}

static void want_background(void)
{
    background.wanted = true;
}

static void (*const refusing[])(void) = {limit_large, limit_all, limit_caches, be_lockfree, want_background};

Test(pool_spare, is_refused_by_limits_and_kinds)
{
    for (unsigned i = 0; i < sizeof refusing / sizeof *refusing; i++) {
        pid_t child = fork();
        if (child == 0) {
            refusing[i]();
            lay();
            be_busy(B1M);
            _exit(cache_has_spare(cache_mine, B1M) || house_figures(B1M)->cached != 0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        cr_assert_eq(status, 0, "case %u keeps a spare slot, or failed", i);
    }
}

Test(pool_spare, thread_beside_others_keeps_none)
{
    lay();
    alone_set(false);
    be_busy(B1M);
    cr_assert_not(cache_has_spare(cache_mine, B1M));
}

/* libc may start a thread without calling the wrapped pthread_create. The library notices the thread at the next tick
 * (a free that reads the clock) at which the clock has advanced, and drops the spare slot. */
Test(pool_spare, is_dropped_when_there_are_threads)
{
    lay_with_spare();
    alone_set(false);
    clock_still_advance(1);
    pair(B1M);
    be_busy(B1M);
    expect_dropped();
}

/* The wrapper of pthread_create calls pool_drop_spares before it makes a thread. */
Test(pool_spare, is_dropped_before_a_thread_is_made)
{
    lay_with_spare();
    pool_drop_spares();
    expect_dropped();
}

Test(pool_spare, is_dropped_when_the_cache_is_closed)
{
    lay_with_spare();
    cache_leave();
    cr_assert_eq(house_figures(B1M)->depot, 1);
    cr_assert_eq(budget_charged(), 0);
    house_assert();
}

/*
 * The thread works on but does not use the bucket any more. A tick is a free that reads the clock. At the second tick
 * at which the clock has advanced, the thread's spare slot goes to the bucket's stack of free slots. There it is purged
 * when its decay time is over.
 */
Test(pool_spare, unused_one_loses_its_pages_in_time)
{
    lay_with_spare();
    ages_pass(1);
    ages_pass(1);
    expect_dropped();
    ages_pass(AGE);
    ages_pass(AGE);
    ages_purge_all(B16K);
    cr_assert_eq(house_figures(B1M)->purged, 1);
}

Test(pool_spare, used_one_stays)
{
    lay_with_spare();
    for (unsigned i = 0; i < 5; i++) {
        pair(B1M);
        ages_pass(1);
    }
    cr_assert(cache_has_spare(cache_mine, B1M));
}

Test(pool_spare, is_drained)
{
    lay_with_spare();
    pool_drain();
    expect_dropped();
    pool_trim(SIZE_MAX);
    cr_assert_eq(house_figures(B1M)->purged, 1);
}

/* A thread that sleeps purges the pages of its spare slot. The thread does not remove the slot from its cache, because
 * the sleep may be in a signal handler, which may have interrupted malloc at any instruction. */
Test(pool_spare, sleeping_thread_gives_the_pages_back)
{
    lay_with_spare();
    void *slot = house_take(B1M, MEBIBYTE, NULL);
    memset(slot, 1, MEBIBYTE);
    house_give(slot);
    cr_assert_geq(house_figures(B1M)->resident, MEBIBYTE);
    cr_assert_neq(pool_sleep_limit(POOL_SLEEP_NEVER, false), POOL_SLEEP_NEVER);
    clock_still_advance(DECAY);
    for (unsigned i = 0; i < BUSY; i++) {
        pool_sleep_step();
    }
    cr_assert_eq(house_figures(B1M)->resident, 0);
    cr_assert_eq(house_figures(B1M)->cached, 1);
    house_assert();
}

Test(pool_spare, child_of_one_thread_goes_on_with_it)
{
    lay_with_spare();
    pool_before_fork();
    pid_t child = fork();
    if (child == 0) {
        pool_atfork_child();
        pool_recover_due();
        pair(B1M);
        _exit(!(cache_has_spare(cache_mine, B1M) && house_check()));
    }
    int status = -1;
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
}

Test(pool_spare, child_of_several_threads_finds_the_slot)
{
    lay_with_spare();
    alone_set(false);
    pool_before_fork();
    pid_t child = fork();
    if (child == 0) {
        pool_atfork_child();
        pool_recover_due();
        _exit(cache_has_spare(cache_mine, B1M) || house_figures(B1M)->depot != 1 || budget_charged() != 0 ||
              !house_check());
    }
    int status = -1;
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
}
#endif
