/* Tests of os/lock.c with signal handlers and forks. A handler never waits for the code that it has interrupted, and a
 * fork child never waits for a thread that exists only in the parent. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "os/lock.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/steps.h"

static struct lock lock;
static struct lock other;

static uint32_t word_of(const struct lock *some)
{
    return atomic_load(&some->word);
}

static pthread_t holder;
static atomic_bool holds;
static atomic_bool let_go;

/* Runs as a thread that has `lock` until the test sets a flag, or until another thread waits for the lock. */
static void *hold(void *argument)
{
    (void)argument;
    CHECK(lock_take(&lock));
    uint32_t uncontended = word_of(&lock);
    holds = true;
    while (!let_go && word_of(&lock) == uncontended) {
        sched_yield();
    }
    lock_release(&lock);
    return NULL;
}

static void begin_to_hold(void)
{
    holds = false;
    let_go = false;
    cr_assert_eq(pthread_create(&holder, NULL, hold, NULL), 0);
    while (!holds) {
        sched_yield();
    }
}

static void end_holding(void)
{
    let_go = true;
    cr_assert_eq(pthread_join(holder, NULL), 0);
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

/*
 * Checks that the library counts this thread as having no lock. For this the thread takes a lock that another thread
 * has: lock_take waits for such a lock only if its caller has none.
 */
static void expect_waiting(void)
{
    begin_to_hold();
    cr_assert(lock_take(&lock), "the thread takes itself for a signal handler");
    lock_release(&lock);
    end_holding();
    cr_assert_eq(word_of(&lock), 0);
}

static struct lock *wanted;
static unsigned refusals;
static unsigned entries;

static void take_and_release(int number)
{
    (void)number;
    if (lock_take(wanted)) {
        entries++;
        lock_release(wanted);
    } else {
        refusals++;
    }
}

static void interrupt_wanting(struct lock *some)
{
    wanted = some;
    signal(SIGUSR1, take_and_release);
    raise(SIGUSR1);
}

Test(lock_handlers, handler_does_not_wait_for_what_it_interrupted, .timeout = 120)
{
    cr_assert(lock_take(&lock));
    interrupt_wanting(&lock);
    interrupt_wanting(&lock);
    cr_assert_eq(refusals, 2);
    cr_assert_neq(word_of(&lock), 0, "the thread still holds the lock that the handler was refused");
    lock_release(&lock);
    cr_assert_eq(word_of(&lock), 0);
    expect_waiting();
    interrupt_wanting(&lock);
    cr_assert_eq(entries, 1);
}

Test(lock_handlers, handler_takes_another_free_lock, .timeout = 120)
{
    cr_assert(lock_take(&other));
    interrupt_wanting(&lock);
    cr_assert_eq(entries, 1);
    cr_assert_eq(word_of(&lock), 0);
    cr_assert_neq(word_of(&other), 0);
    lock_release(&other);
    expect_waiting();
}

/* A handler has interrupted a thread that has lock A. The handler must not wait for lock B: the thread that has lock B
 * may have been interrupted by a handler that waits for lock A, and both would wait for ever. */
Test(lock_handlers, handler_in_a_lock_does_not_wait_for_another, .timeout = 120)
{
    cr_assert(lock_take(&other));
    begin_to_hold();
    interrupt_wanting(&lock);
    cr_assert_eq(refusals, 1);
    end_holding();
    lock_release(&other);
    expect_waiting();
}

static atomic_bool held_by_me;

static void hold_for_a_moment(void)
{
    CHECK(lock_take(&lock));
    held_by_me = true;
    held_by_me = false;
    lock_release(&lock);
}

static void take_between(void *context)
{
    (void)context;
    unsigned before = entries;
    take_and_release(0);
    CHECK(!held_by_me || entries == before);
}

Test(lock_handlers, handler_may_come_after_any_instruction, .timeout = 60)
{
    steps_need();
    wanted = &lock;
    for (unsigned at = 1; steps_run(at, hold_for_a_moment, take_between); at++) {
        cr_assert_null(crew_fault(), "after %u instructions: %s", at, crew_fault());
        cr_assert_eq(word_of(&lock), 0, "after %u instructions", at);
    }
    cr_assert_gt(entries, 5U);
    cr_assert_gt(refusals, 5U);
    expect_waiting();
}

Test(lock_handlers, reset_makes_it_free, .timeout = 120)
{
    cr_assert(lock_take(&lock));
    lock_reset(&lock);
    cr_assert_eq(word_of(&lock), 0);
    lock_release(&lock); /* does no harm; code that a forking handler interrupted does so in the child */
    expect_waiting();
}

static void reset_and_take(void *argument)
{
    (void)argument;
    lock_reset(&lock);
    CHECK(lock_take(&lock));
    lock_release(&lock);
}

Test(lock_handlers, child_of_a_fork_takes_free_locks)
{
    begin_to_hold();
    capture_clean(reset_and_take, NULL);
    end_holding();
}
