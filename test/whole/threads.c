/* These cases test the end of a thread: its live blocks stay valid, and other threads can allocate its free slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

/* Allocates 70 blocks, more than one magazine holds, in each bucket below the default of SOCKMALLOC_LARGE, and two
 * blocks in each larger bucket. Frees the blocks of a bucket before it goes on to the next bucket. */
static void *use_every_bucket(void *unused)
{
    enum { BLOCKS = 70 };
    char *blocks[BLOCKS];
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        int count = bucket < POOLS_TRAINED ? BLOCKS : 2;
        for (int i = 0; i < count; i++) {
            blocks[i] = malloc(pools_largest(bucket));
            CHECK(pools_own(blocks[i]));
            blocks[i][0] = 1;
        }
        for (int i = 0; i < count; i++) {
            free(blocks[i]);
        }
    }
    return unused;
}

/* Runs one thread, and then a thousand more, one after the other. The later threads must carve no new slot, because
 * each of them can allocate the free slots of the threads that have ended. */
CASE(exit_gives_everything_back)
{
    check_in_thread(use_every_bucket, NULL);
    uint64_t carved[POOLS_BUCKETS];
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        carved[bucket] = pools_bucket_figure(bucket, "carved");
    }
    for (int i = 0; i < 1000; i++) {
        check_in_thread(use_every_bucket, NULL);
    }
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        CHECK_EQUAL(pools_bucket_figure(bucket, "carved"), carved[bucket]);
        CHECK_EQUAL(pools_bucket_figure(bucket, "live"), 0);
        CHECK_EQUAL(pools_bucket_figure(bucket, "cached"), 0);
        /* Slots that a thread has carved in advance and has never allocated count as purged. */
        uint64_t purged = pools_bucket_figure(bucket, "purged");
        CHECK_EQUAL(pools_bucket_figure(bucket, "depot") + purged, carved[bucket]);
    }
    pools_check_ledger();
}

enum { CROWD = 64 };
static pthread_barrier_t barrier;

static void *use_together(void *unused)
{
    pthread_barrier_wait(&barrier);
    use_every_bucket(NULL);
    pthread_barrier_wait(&barrier);
    return unused;
}

CASE(ledger_closes_after_a_crowd)
{
    pthread_t threads[CROWD];
    CHECK_EQUAL(pthread_barrier_init(&barrier, NULL, CROWD), 0);
    check_start(threads, CROWD, use_together, NULL);
    check_join(threads, CROWD);
    CHECK_EQUAL(pools_figure("live"), 0);
    CHECK_EQUAL(pools_figure("cached"), 0);
    CHECK_EQUAL(pools_figure("requests"), CROWD * (POOLS_TRAINED * 70 + (POOLS_BUCKETS - POOLS_TRAINED) * 2));
    pools_check_ledger();
}

/* Blocks that a thread has allocated and has not freed before its end. Another thread must be able to use and free
 * these blocks. */
static char *orphans[POOLS_BUCKETS];

static void *leave_orphans(void *unused)
{
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        orphans[bucket] = malloc(pools_largest(bucket));
        CHECK(orphans[bucket] != NULL);
        memset(orphans[bucket], 0x21, pools_largest(bucket));
    }
    return unused;
}

CASE(blocks_outlive_their_thread)
{
    check_in_thread(leave_orphans, NULL);
    CHECK_EQUAL(pools_figure("live"), POOLS_BUCKETS);
    use_every_bucket(NULL);
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        size_t size = pools_largest(bucket);
        CHECK(orphans[bucket][0] == 0x21);
        CHECK(memcmp(orphans[bucket], orphans[bucket] + 1, size - 1) == 0);
        free(orphans[bucket]);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

/*
 * The key of thread-specific data whose destructor is free_late. This destructor runs after the library's own, because
 * the library's key was made before any key of the program. libc calls destructors in several rounds. In each of three
 * rounds free_late frees the thread's blocks, and in the first two it then allocates new ones. `late_calls` counts the
 * calls of free_late.
 */
static pthread_key_t late_key;
static atomic_uint late_calls;

static void free_late(void *argument)
{
    char **blocks = argument;
    atomic_fetch_add(&late_calls, 1);
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        CHECK(blocks[bucket][0] == 0x33);
        free(blocks[bucket]);
        blocks[bucket] = NULL;
    }
    if (atomic_load(&late_calls) % 3 == 0) {
        free(blocks);
        return;
    }
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        blocks[bucket] = calloc(1, pools_largest(bucket));
        CHECK(pools_own(blocks[bucket]) && blocks[bucket][0] == 0);
        blocks[bucket][0] = 0x33;
    }
    CHECK_EQUAL(pthread_setspecific(late_key, blocks), 0);
}

static void *hold_until_exit(void *unused)
{
    char **blocks = malloc(POOLS_BUCKETS * sizeof *blocks);
    CHECK(blocks != NULL);
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        blocks[bucket] = malloc(pools_largest(bucket));
        CHECK(blocks[bucket] != NULL);
        blocks[bucket][0] = 0x33;
    }
    CHECK_EQUAL(pthread_setspecific(late_key, blocks), 0);
    return unused;
}

CASE(frees_after_our_destructor)
{
    enum { THREADS = 20 };
    CHECK_EQUAL(pthread_key_create(&late_key, free_late), 0);
    uint64_t carved = 0;
    for (int i = 0; i < THREADS; i++) {
        check_in_thread(hold_until_exit, NULL);
        CHECK_EQUAL(pools_figure("live"), 0);
        /* No cache holds a slot. The destructor frees its blocks after the library has closed the thread's cache, so
         * their slots go to the shared free lists. */
        CHECK_EQUAL(pools_figure("cached"), 0);
        carved = i == 0 ? pools_figure("carved") : carved;
    }
    CHECK_EQUAL(atomic_load(&late_calls), 3 * THREADS);
    CHECK_EQUAL(pools_figure("carved"), carved);
    CHECK_EQUAL(pools_figure("depot"), carved);
    CHECK_EQUAL(pools_figure("requests"), 3 * THREADS * POOLS_BUCKETS);
    pools_check_ledger();
}
