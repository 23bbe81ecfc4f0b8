/* Tests of buffers/ring.c with threads: a thread frees messages of other threads, or waits until the ring has space. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/crew.h"
#include "support/ring_memory.h"

enum { FREERS = 3, PLACES = 16, MESSAGES = 60000 };

static struct sockmalloc_ring *ring;

/* Returns a time 30 seconds ahead, at which a wait gives up. Only a test that hangs waits so long. */
static const struct timespec *patience(void)
{
    static _Thread_local struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 30;
    return &end;
}

/* Messages on their way from the allocating thread to the threads that free them. The allocating thread replaces
 * NULL by a message, and a freeing thread replaces the message by NULL. */
static _Atomic(char *) places[PLACES];
static _Atomic unsigned freed;

static void put(char *message, uint64_t *state)
{
    for (;;) {
        char *empty = NULL;
        if (atomic_compare_exchange_strong(&places[crew_random(state) % PLACES], &empty, message)) {
            return;
        }
        sched_yield();
    }
}

/* Allocates messages of random sizes. The first two bytes of a message are its size, and all its other bytes have one
 * value. */
static void produce(void)
{
    uint64_t state = 11;
    for (unsigned i = 0; i < MESSAGES; i++) {
        size_t size = 2 + crew_random(&state) % 600;
        char *message = sockmalloc_ring_alloc_wait(ring, size, 0, patience());
        if (!CHECK(message != NULL)) {
            return;
        }
        memset(message, (int)i, size);
        memcpy(message, &(uint16_t){(uint16_t)size}, 2);
        put(message, &state);
    }
}

static void free_some(unsigned number)
{
    uint64_t state = 12 + number;
    while (atomic_load(&freed) < MESSAGES && crew_fault() == NULL) {
        char *message = atomic_exchange(&places[crew_random(&state) % PLACES], NULL);
        if (message == NULL) {
            sched_yield();
            continue;
        }
        uint16_t size;
        memcpy(&size, message, 2);
        for (unsigned at = 3; at < size; at++) {
            CHECK(message[at] == message[2]);
        }
        sockmalloc_ring_free(ring, message);
        atomic_fetch_add(&freed, 1);
    }
}

static void work(unsigned number)
{
    if (number == 0) {
        produce();
    } else {
        free_some(number);
    }
}

Test(ring_threads, others_free_in_any_order)
{
    ring = ring_of(128, 40);
    crew_run(1 + FREERS, work);
    cr_assert_not_null(sockmalloc_ring_alloc(ring, 40 * 128, 0), "a chunk is lost");
}

static _Atomic pid_t waiter;
/* The two messages that fill the ring of open_full. The first one begins where the next message would have to begin,
 * so a thread that waits for space goes on only after this message was freed. The other message lies behind it. */
static void *message_at_marker;
static void *message_behind;

static void open_full(void)
{
    ring = ring_of(128, 4);
    message_at_marker = sockmalloc_ring_alloc(ring, 2 * 128, 0);
    message_behind = sockmalloc_ring_alloc(ring, 2 * 128, 0);
}

static void await_sleep(void)
{
    while (atomic_load(&waiter) == 0 || !crew_is_asleep(atomic_load(&waiter))) {
        sched_yield();
    }
}

static void wait_or_free(unsigned number)
{
    if (number == 0) {
        errno = 77;
        atomic_store(&waiter, gettid());
        CHECK(sockmalloc_ring_alloc_wait(ring, 3 * 128, 0, patience()) == message_at_marker);
        CHECK(errno == 77);
        return;
    }
    await_sleep();
    sockmalloc_ring_free(ring, message_behind);
    sockmalloc_ring_free(ring, message_at_marker);
}

Test(ring_threads, free_ends_a_wait)
{
    open_full();
    crew_run(2, wait_or_free);
}

static void wait_or_reclaim(unsigned number)
{
    if (number == 0) {
        atomic_store(&waiter, gettid());
        CHECK(sockmalloc_ring_alloc_wait(ring, 4 * 128, 0, patience()) == message_at_marker);
        return;
    }
    await_sleep();
    CHECK(sockmalloc_ring_reclaim(ring, PARENT) == 2);
}

Test(ring_threads, reclaim_ends_a_wait)
{
    open_full();
    crew_run(2, wait_or_reclaim);
}

static void ignore(int number)
{
    (void)number;
}

static void wait_or_signal(unsigned number)
{
    static pthread_t thread;
    if (number == 0) {
        thread = pthread_self();
        atomic_store(&waiter, gettid());
        CHECK(sockmalloc_ring_alloc_wait(ring, 1, 0, patience()) == NULL && errno == EINTR);
        return;
    }
    await_sleep();
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
}

Test(ring_threads, handler_ends_a_wait)
{
    open_full();
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = ignore}, NULL);
    crew_run(2, wait_or_signal);
}

Test(ring_threads, deadline_is_absolute)
{
    struct timespec now;
    open_full();
    cr_assert_null(sockmalloc_ring_alloc_wait(ring, 1, 0, &(struct timespec){0, 1}));
    cr_assert_eq(errno, ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct timespec later = {now.tv_sec, now.tv_nsec};
    later.tv_sec += (later.tv_nsec += 20000000) / 1000000000;
    later.tv_nsec %= 1000000000;
    cr_assert_null(sockmalloc_ring_alloc_wait(ring, 1, 0, &later));
    cr_assert_eq(errno, ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &now);
    cr_assert(now.tv_sec > later.tv_sec || (now.tv_sec == later.tv_sec && now.tv_nsec >= later.tv_nsec));
    sockmalloc_ring_free(ring, message_at_marker);
    cr_assert_not_null(sockmalloc_ring_alloc_wait(ring, 1, 0, &(struct timespec){0, 1}),
                       "a ring with space needs no wait");
}
