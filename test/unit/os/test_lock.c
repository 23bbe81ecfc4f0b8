/* Tests of os/lock.c, a mutex, with several threads: only one thread has it at a time, and no waiting thread sleeps for
 * ever. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/lock.h"
#include "support/crew.h"

enum { THREADS = 8, ROUNDS = 50000, UNUSUAL = 4242 /* an errno that no call sets */ };

static struct lock lock;

static uint32_t word_of(const struct lock *some)
{
    return atomic_load(&some->word);
}

Test(lock, is_taken_and_released)
{
    for (unsigned round = 0; round < 3; round++) {
        cr_assert_eq(word_of(&lock), 0);
        cr_assert(lock_take(&lock));
        cr_assert_neq(word_of(&lock), 0);
        lock_release(&lock);
    }
    cr_assert_eq(word_of(&lock), 0);
}

/* not atomic, so a faulty lock would lose additions; a thread changes this only while it has `lock` */
static unsigned sum;
static _Atomic int waiters[THREADS];

static void wait_once(unsigned number)
{
    waiters[number] = gettid();
    errno = UNUSUAL;
    CHECK(lock_take(&lock));
    CHECK(errno == UNUSUAL);
    sum++;
    lock_release(&lock);
    CHECK(errno == UNUSUAL);
}

static void release_when_all_sleep(unsigned number)
{
    if (number > 0) {
        while (word_of(&lock) == 0) {
            sched_yield();
        }
        wait_once(number);
        return;
    }
    CHECK(lock_take(&lock));
    for (unsigned i = 1; i < THREADS; i++) {
        while (!crew_is_asleep(waiters[i])) {
            sched_yield();
        }
    }
    lock_release(&lock);
}

/*
 * lock_release wakes only one waiting thread. When that thread releases the lock, it must wake the next one, and so on.
 */
Test(lock, every_sleeper_is_woken, .timeout = 120)
{
    for (unsigned round = 0; round < 20; round++) {
        sum = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            waiters[i] = 0;
        }
        crew_run(THREADS, release_when_all_sleep);
        cr_assert_eq(sum, THREADS - 1);
        cr_assert_eq(word_of(&lock), 0);
    }
}

static void add_up(unsigned number)
{
    (void)number;
    for (unsigned round = 0; round < ROUNDS; round++) {
        CHECK(lock_take(&lock));
        unsigned before = sum;
        if (round % 64 == 0) {
            sched_yield(); /* lets other threads run, so that they try to take the lock and wait for it */
        }
        sum = before + 1;
        lock_release(&lock);
    }
}

Test(lock, one_at_a_time_is_inside, .timeout = 60)
{
    crew_run(THREADS, add_up);
    cr_assert_eq(sum, (unsigned)THREADS * ROUNDS);
    cr_assert_eq(word_of(&lock), 0);
}

static _Atomic unsigned entries;
static _Atomic unsigned refusals;

static void add_in_handler(int number)
{
    (void)number;
    if (lock_take(&lock)) {
        sum++;
        entries++;
        lock_release(&lock);
    } else {
        refusals++;
    }
}

static pthread_t waiter;

static void *wait_once_alone(void *argument)
{
    (void)argument;
    wait_once(0);
    return NULL;
}

/* A signal handler tries to take the lock while its thread waits for the lock. The handler is set without SA_RESTART,
 * so the kernel ends the wait by an error. The thread must then wait again, and errno must be unchanged. */
Test(lock, handler_may_come_while_the_thread_waits, .timeout = 120)
{
    const struct sigaction action = {.sa_handler = add_in_handler};
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    cr_assert(lock_take(&lock));
    cr_assert_eq(pthread_create(&waiter, NULL, wait_once_alone, NULL), 0);
    for (unsigned signals = 1; signals <= 3; signals++) {
        while (!crew_is_asleep(waiters[0])) {
            sched_yield();
        }
        cr_assert_eq(pthread_kill(waiter, SIGUSR1), 0);
        while (refusals < signals) {
            sched_yield();
        }
        cr_assert_eq(sum, 0);
    }
    lock_release(&lock);
    cr_assert_eq(pthread_join(waiter, NULL), 0);
    cr_assert_null(crew_fault(), "%s", crew_fault());
    cr_assert_eq(sum, 1);
    cr_assert_eq(entries, 0);
}

static struct lock pair[2];
static _Thread_local struct lock *others;
static _Thread_local bool refused;

static void want_the_others(int number)
{
    (void)number;
    refused = !lock_take(others);
}

static void hold_one_and_want_the_other(unsigned number)
{
    others = &pair[1 - number];
    CHECK(lock_take(&pair[number]));
    crew_meet();
    raise(SIGUSR1);
    CHECK(refused);
    crew_meet();
    lock_release(&pair[number]);
}

Test(lock, handlers_never_wait_for_each_other, .timeout = 120)
{
    signal(SIGUSR1, want_the_others);
    crew_run(2, hold_one_and_want_the_other);
    cr_assert_eq(word_of(&pair[0]), 0);
    cr_assert_eq(word_of(&pair[1]), 0);
}

/* Signal handlers take the lock while their threads have it, wait for it, or do neither. */
Test(lock, handlers_and_threads_together, .timeout = 60)
{
    const struct itimerval often = {{.tv_usec = 50}, {.tv_usec = 50}};
    signal(SIGALRM, add_in_handler);
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    unsigned runs = 0;
    /* repeats until one handler has got the lock and one was refused, because the kernel decides when the signals
     * arrive */
    do {
        crew_run(THREADS, add_up);
        runs++;
    } while (entries == 0 || refusals == 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
    cr_assert_eq(sum, runs * THREADS * ROUNDS + entries);
    cr_assert_eq(word_of(&lock), 0);
}
