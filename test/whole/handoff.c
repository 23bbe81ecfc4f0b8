/* In these cases one thread only allocates blocks, and another one only frees them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "pools.h"

/* A ring of RING entries, through which the allocating thread passes the addresses of blocks to the freeing thread. The
 * allocating thread waits while the ring is full. The freeing thread waits while the ring is empty. */
enum { RING = 64, HANDED = 20000 };
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *blocks[RING];
    unsigned taken;
    unsigned given;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void ring_put(char *block)
{
    pthread_mutex_lock(&ring.lock);
    while (ring.taken - ring.given == RING) {
        pthread_cond_wait(&ring.changed, &ring.lock);
    }
    ring.blocks[ring.taken++ % RING] = block;
    pthread_cond_broadcast(&ring.changed);
    pthread_mutex_unlock(&ring.lock);
}

static char *ring_get(void)
{
    pthread_mutex_lock(&ring.lock);
    while (ring.taken == ring.given) {
        pthread_cond_wait(&ring.changed, &ring.lock);
    }
    char *block = ring.blocks[ring.given++ % RING];
    pthread_cond_broadcast(&ring.changed);
    pthread_mutex_unlock(&ring.lock);
    return block;
}

/* Runs a thread that executes `take` and a thread that executes `give` until both end. Checks that no slot is live
 * afterwards, and that the counts of slots add up in every bucket. */
static void hand_over(void *(*take)(void *), void *(*give)(void *))
{
    pthread_t taker;
    pthread_t giver;
    CHECK_EQUAL(pthread_create(&taker, NULL, take, NULL), 0);
    CHECK_EQUAL(pthread_create(&giver, NULL, give, NULL), 0);
    CHECK_EQUAL(pthread_join(taker, NULL), 0);
    CHECK_EQUAL(pthread_join(giver, NULL), 0);
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

static size_t handed_size(unsigned i)
{
    return pools_largest(i % POOLS_TRAINED) - i % 4000;
}

static void *take_of_every_size(void *unused)
{
    for (unsigned i = 0; i < HANDED; i++) {
        char *block = malloc(handed_size(i));
        CHECK(block != NULL);
        memset(block, (int)(i % 251), 64);
        ring_put(block);
    }
    return unused;
}

static void *give_of_every_size(void *unused)
{
    for (unsigned i = 0; i < HANDED; i++) {
        char *block = ring_get();
        CHECK(block[0] == (char)(i % 251) && block[63] == (char)(i % 251));
        free(block);
    }
    return unused;
}

CASE(one_takes_another_gives)
{
    hand_over(take_of_every_size, give_of_every_size);
    CHECK_EQUAL(pools_figure("requests"), HANDED);
    /* the allocating thread has reused the slots that the other thread has freed, so it has carved few */
    CHECK(pools_figure("carved") < HANDED / 10);
}

/*
 * WARM is more than two numbers together: the slots of the blocks in the ring, through which the allocating thread
 * passes blocks to the freeing thread, and the slots that the magazines of both threads can hold. All other slots are
 * free, and the allocating thread can get them. So once WARM blocks have been live at the same time, the allocating
 * thread never needs a new slot, however the threads are scheduled.
 */
enum { WARM = 1024, PAGE = 4096, BUCKET = 2 };

/* How many page faults the test tolerates in a run that needs no new memory. A few may happen, because the kernel may
 * evict pages of the program and load them again. */
enum { STRAY_FAULTS = 16 };

static long faults(void)
{
    struct rusage usage;
    CHECK_EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt + usage.ru_majflt;
}

static char *take_written(void)
{
    size_t size = pools_largest(BUCKET);
    char *block = malloc(size);
    CHECK(pools_own(block));
    for (size_t place = 0; place < size; place += PAGE) {
        block[place] = 1;
    }
    return block;
}

static void take_and_hand(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ring_put(take_written());
    }
}

static void *take_until_warm_and_on(void *unused)
{
    static char *blocks[WARM];
    for (unsigned i = 0; i < WARM; i++) {
        blocks[i] = take_written();
    }
    for (unsigned i = 0; i < WARM; i++) {
        ring_put(blocks[i]);
    }
    take_and_hand(HANDED); /* this first run brings the quotas to their final values */
    uint64_t carved = pools_figure("carved");
    long faulted = faults();
    take_and_hand(HANDED);
    faulted = faults() - faulted;
    CHECK_EQUAL(pools_figure("carved"), carved);
    CHECK(faulted <= STRAY_FAULTS);
    return unused;
}

static void *give_all(void *unused)
{
    for (unsigned i = 0; i < WARM + 2 * HANDED; i++) {
        free(ring_get());
    }
    return unused;
}

CASE(warm_ones_cost_no_page)
{
    hand_over(take_until_warm_and_on, give_all);
    CHECK_EQUAL(pools_figure("requests"), WARM + 2 * HANDED);
}
