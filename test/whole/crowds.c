/* These cases test many threads, threads that live only for a short time, threads that are cancelled, and threads with
 * the smallest possible stack. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

enum { THREADS = 4000, PROGRESS = 10000, GROWTH_LIMIT = 1 << 20, SHELF = 64 };

static unsigned count_or(unsigned standard)
{
    return check_arguments[0] != NULL ? (unsigned)atoi(check_arguments[0]) : standard;
}

static uint64_t resident_bytes(void)
{
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file != NULL);
    CHECK_EQUAL(fscanf(file, "%lu %lu", &size, &resident), 2);
    CHECK_EQUAL(fclose(file), 0);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Each thread puts blocks of all sizes into this array, and frees the blocks of other threads that it replaces. */
static _Atomic(char *) shelf[SHELF];

static void *hand_over(void *argument)
{
    static const size_t sizes[] = {24, 700, 4096, 16390, 65536, 200000, 5000000};
    unsigned number = (unsigned)(uintptr_t)argument;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *block = malloc(sizes[i]);
        CHECK(block != NULL);
        block[0] = 1;
        free(atomic_exchange(&shelf[(number + i * 9) % SHELF], block));
    }
    return NULL;
}

static void run_one(unsigned number)
{
    check_in_thread(hand_over, (void *)(uintptr_t)number);
}

/* The first half of the threads allocate, free and end. The second half must run in the memory that the first half has
 * freed. */
CASE(short_threads_leave_nothing)
{
    unsigned count = count_or(THREADS);
    uint64_t before = 0;
    for (unsigned number = 1; number <= count; number++) {
        run_one(number);
        before = number == count / 2 ? resident_bytes() : before;
        if (number % PROGRESS == 0) {
            fprintf(stderr, "crowds: %u of %u threads, %lu bytes resident\n", number, count,
                    (unsigned long)resident_bytes());
        }
    }
    uint64_t after = resident_bytes();
    CHECK(after < before + GROWTH_LIMIT);
    for (unsigned i = 0; i < SHELF; i++) {
        free(atomic_exchange(&shelf[i], NULL));
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

/* The clean-up handler of a thread that is cancelled at a cancellation point: it frees the thread's blocks. */
static void free_all(void *blocks)
{
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        free(((char **)blocks)[bucket]);
    }
}

static sem_t begun;

static void *take_until_cancelled(void *unused)
{
    char *blocks[POOLS_BUCKETS] = {NULL};
    pthread_cleanup_push(free_all, blocks);
    sem_post(&begun);
    for (unsigned i = 0;; i++) {
        unsigned bucket = i % POOLS_BUCKETS;
        free(blocks[bucket]);
        blocks[bucket] = malloc(pools_largest(bucket));
        CHECK(blocks[bucket] != NULL);
        pthread_testcancel();
    }
    pthread_cleanup_pop(0);
    return unused;
}

CASE(cancelled_between_calls)
{
    enum { CANCELLED = 200 };
    CHECK_EQUAL(sem_init(&begun, 0, 0), 0);
    for (int i = 0; i < CANCELLED; i++) {
        pthread_t thread;
        void *result;
        CHECK_EQUAL(pthread_create(&thread, NULL, take_until_cancelled, NULL), 0);
        CHECK_EQUAL(sem_wait(&begun), 0);
        CHECK_EQUAL(pthread_cancel(thread), 0);
        CHECK_EQUAL(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    CHECK_EQUAL(pools_figure("cached"), 0);
    pools_check_ledger();
}

/* Runs in a thread with the smallest possible stack, and calls calloc, realloc, aligned_alloc and free. */
static void *use_small_stack(void *unused)
{
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        char *block = calloc(1, pools_largest(bucket));
        CHECK(block != NULL);
        block = realloc(block, 20);
        CHECK(block != NULL);
        block = realloc(block, pools_largest(bucket) / 2 + 1);
        CHECK(block != NULL);
        free(block);
        free(aligned_alloc(4096, 8192));
    }
    return unused;
}

CASE(smallest_stacks)
{
    enum { SMALL = 50 };
    pthread_attr_t attributes;
    CHECK_EQUAL(pthread_attr_init(&attributes), 0);
    CHECK_EQUAL(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN), 0);
    for (int i = 0; i < SMALL; i++) {
        pthread_t thread;
        CHECK_EQUAL(pthread_create(&thread, &attributes, use_small_stack, NULL), 0);
        CHECK_EQUAL(pthread_join(thread, NULL), 0);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}
