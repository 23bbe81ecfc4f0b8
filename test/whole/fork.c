/* These cases test that the child of a fork can allocate blocks of every size, whatever the parent's threads did at the
 * fork. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"
#include "usage.h"

/* A child that has not ended after this many seconds gets SIGALRM, and its parent then fails the case. */
enum { CHILD_DEADLINE_SECONDS = 90 };

/* Forks a child that runs `run`, and checks that the child ends with status 0. */
static void in_child(void (*run)(void))
{
    if (check_is_child()) {
        alarm(CHILD_DEADLINE_SECONDS);
        run();
        _exit(EXIT_SUCCESS);
    }
}

enum { THREADS = 8 };

/* The parent allocates these blocks before it forks. The child's statistics must count these blocks as live, and must
 * count events from 0. */
static char *inherited[POOLS_BUCKETS];

static void find_inherited(void)
{
    CHECK_EQUAL(pools_figure("live"), POOLS_BUCKETS);
    CHECK_EQUAL(pools_figure("requests"), 0);
    CHECK_EQUAL(pools_figure("asked"), 0);
    CHECK_EQUAL(pools_figure("fell_through"), 0);
    pools_check_ledger();
    use_everything();
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        CHECK(inherited[bucket][0] == 0x44 && inherited[bucket][pools_largest(bucket) - 1] == 0x44);
        memset(inherited[bucket], 0x55, pools_largest(bucket));
        free(inherited[bucket]);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

CASE(counts_after_fork)
{
    use_everything();
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        inherited[bucket] = malloc(pools_largest(bucket));
        CHECK(inherited[bucket] != NULL);
        memset(inherited[bucket], 0x44, pools_largest(bucket));
    }
    uint64_t requests = pools_figure("requests");
    in_child(find_inherited);
    CHECK_EQUAL(pools_figure("requests"), requests);
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        CHECK(inherited[bucket][0] == 0x44);
        free(inherited[bucket]);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

/*
 * The child of a fork can allocate the free slots that another thread of its parent had in its cache, so the child
 * carves no new ones. A cache keeps free slots only when it has a quota. To get a quota, a thread allocates and frees
 * TAKEN blocks twice.
 */
enum { TAKEN = 100 };
static pthread_barrier_t barrier;

static void *fill_cache(void *unused)
{
    char *blocks[TAKEN];
    for (int i = 0; i < 2 * TAKEN; i++) {
        char **block = &blocks[i % TAKEN];
        if (i >= TAKEN) {
            free(*block);
        }
        *block = malloc(16384);
    }
    for (int i = 0; i < TAKEN; i++) {
        free(blocks[i]);
    }
    pthread_barrier_wait(&barrier); /* the main thread passes this barrier when the other thread's cache is filled */
    pthread_barrier_wait(&barrier); /* the other thread passes this barrier when the process has forked */
    return unused;
}

static void use_what_the_thread_cached(void)
{
    char *blocks[2 * TAKEN];
    uint64_t carved = pools_figure("16k.carved");
    CHECK(carved <= 2 * TAKEN);
    CHECK_EQUAL(pools_figure("16k.cached"), 0);
    CHECK_EQUAL(pools_figure("16k.depot") + pools_figure("16k.purged"), carved);
    for (uint64_t i = 0; i < carved; i++) {
        blocks[i] = malloc(16384);
        CHECK(blocks[i] != NULL);
        blocks[i][0] = (char)i;
    }
    CHECK_EQUAL(pools_figure("16k.carved"), carved);
    for (uint64_t i = 0; i < carved; i++) {
        CHECK(blocks[i][0] == (char)i);
        free(blocks[i]);
    }
    pools_check_ledger();
}

CASE(child_takes_over_caches)
{
    pthread_t thread;
    CHECK_EQUAL(pthread_barrier_init(&barrier, NULL, 2), 0);
    CHECK_EQUAL(pthread_create(&thread, NULL, fill_cache, NULL), 0);
    pthread_barrier_wait(&barrier);
    CHECK(pools_figure("16k.cached") > 0);
    in_child(use_what_the_thread_cached);
    pthread_barrier_wait(&barrier);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    pools_check_ledger();
}

/* Allocates a block from the pools, writes to its last byte, and frees it. The cases run this function in threads of
 * the parent and of the child. */
static void *use_in_thread(void *unused)
{
    char *block = malloc(40000);
    CHECK(pools_own(block));
    block[39999] = 1;
    free(block);
    return unused;
}

static void use_threads(void)
{
    pthread_t threads[THREADS];
    check_start(threads, THREADS, use_in_thread, NULL);
    check_join(threads, THREADS);
    CHECK_EQUAL(pools_figure("live"), 0);
    use_everything();
}

static void *fork_in_thread(void *unused)
{
    use_in_thread(NULL);
    in_child(use_threads);
    return unused;
}

CASE(threads_and_children)
{
    use_threads();
    in_child(use_threads);
    check_in_thread(fork_in_thread, NULL);
    use_everything();
}

/* A child forks a child of its own, and so on for this many generations. Each process counts its own events from 0, and
 * can allocate the free slots that its parent had. */
static int generations = 12;

static void found_dynasty(void)
{
    use_everything();
    char *kept = malloc(16390 + (size_t)generations);
    CHECK_EQUAL(pools_figure("16k.live"), (uint64_t)(13 - generations));
    if (--generations > 0) {
        in_child(found_dynasty);
    }
    free(kept);
    pools_check_ledger();
}

CASE(many_generations)
{
    in_child(found_dynasty);
}

/* Runs in the child: slots that the parent had purged still count as purged, and calloc finds zeros in them. */
static void use_purged(void)
{
    CHECK_EQUAL(pools_figure("1m.purged"), 1);
    char *block = calloc(1, 1 << 20);
    CHECK(block[0] == 0 && memcmp(block, block + 1, (1 << 20) - 1) == 0);
    CHECK_EQUAL(pools_figure("1m.purged"), 0);
    CHECK_EQUAL(pools_figure("1m.carved"), 1);
    free(block);
    pools_check_ledger();
}

CASE(purged_slots_are_handed_down)
{
    char *block = malloc(1 << 20);
    memset(block, 0x66, 1 << 20);
    free(block);
    CHECK_EQUAL(malloc_trim(0), 1);
    in_child(use_purged);
    CHECK_EQUAL(pools_figure("1m.purged"), 1);
}
