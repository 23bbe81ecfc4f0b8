/* Implements the jobs of the workers: a worker only allocates, only frees, or does both. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "job.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/bounds.h"
#include "pool/pool.h"
#include "pool/pool_sleep.h"

/*
 * How often a worker does something special: one operation in ZEROES allocates zeroed memory, one in TRIMS returns free
 * memory to the kernel, one in EXCHANGES exchanges blocks, one in RESIZES resizes a block, and one in SLEEPS lets the
 * worker sleep. A trim returns a random number of bytes, below TRIM_MAX.
 */
enum { ZEROES = 8, TRIMS = 256, EXCHANGES = 8, RESIZES = 8, SLEEPS = 2048, TRIM_MAX = 1 << 18 };

/* While a worker sleeps, it acts like a thread that waits for events. It makes at most SLEEP_STEPS steps, and waits at
 * most SLEEP_NAP nanoseconds before each step. */
enum { SLEEP_STEPS = 64, SLEEP_NAP = 1000000 };

static struct shelf handover; /* blocks from workers that only allocate, for workers that only free */
static struct shelf exchange; /* for exchanging blocks between workers that both allocate and free */

static bool job_is_turn(struct worker *worker, unsigned one_in)
{
    return worker_random(worker) % one_in == 0;
}

/* Allocates a block of random size, and returns it. Returns NULL if the range of slots was full. */
static char *job_try(struct worker *worker)
{
    bool zeroed = job_is_turn(worker, ZEROES);
    return worker_take(worker, worker_size(worker), zeroed);
}

void job_take(struct worker *worker)
{
    char *block = job_try(worker);
    while (block == NULL) {
        /* the range of slots is full, because the workers that only free are slower than those that only allocate */
        sched_yield();
        block = job_try(worker);
    }
    while (!shelf_put(&handover, worker_random(worker), block)) {
        sched_yield();
    }
}

void job_give(struct worker *worker)
{
    char *block = shelf_take(&handover, worker_random(worker));
    while (block == NULL) {
        sched_yield();
        block = shelf_take(&handover, worker_random(worker));
    }
    worker_give(worker, block);
}

static char *job_get(struct worker *worker)
{
    char *block = NULL;
    if (job_is_turn(worker, EXCHANGES)) {
        block = shelf_take(&exchange, worker_random(worker));
    }
    return block != NULL ? block : job_try(worker);
}

/*
 * Passes a block to another worker, resizes it, or frees it, at random. Returns the resized block, or NULL if this
 * worker has no block any more.
 */
static char *job_use(struct worker *worker, char *block)
{
    if (job_is_turn(worker, EXCHANGES) && shelf_put(&exchange, worker_random(worker), block)) {
        return NULL;
    }
    if (job_is_turn(worker, RESIZES)) {
        return worker_resize(worker, block, worker_size(worker));
    }
    worker_give(worker, block);
    return NULL;
}

/* Waits, and purges pages of free slots meanwhile, as the library does for a thread that waits for events. The slots
 * are those that all threads share, and those in the thread's own magazines. */
static void job_sleep(void)
{
    uint64_t wait = pool_sleep_limit(POOL_SLEEP_NEVER, false);
    for (unsigned step = 0; step < SLEEP_STEPS && wait != POOL_SLEEP_NEVER; step++) {
        nanosleep(&(struct timespec){.tv_nsec = (long)LESSER(wait, SLEEP_NAP)}, NULL);
        wait = pool_sleep_step();
    }
}

void job_trade(struct worker *worker)
{
    char **place = &worker->held[worker_random(worker) % WORKER_HOLDS];
    *place = *place == NULL ? job_get(worker) : job_use(worker, *place);
    if (job_is_turn(worker, TRIMS)) {
        pool_trim(worker_random(worker) % TRIM_MAX);
    }
    if (job_is_turn(worker, SLEEPS)) {
        job_sleep();
    }
}

static void job_clear_shelf(struct worker *worker, struct shelf *shelf)
{
    for (char *block = shelf_take(shelf, 0); block != NULL; block = shelf_take(shelf, 0)) {
        worker_give(worker, block);
    }
}

void job_clear_shelves(struct worker *worker)
{
    job_clear_shelf(worker, &handover);
    job_clear_shelf(worker, &exchange);
}

void job_clear(struct worker *worker)
{
    for (unsigned place = 0; place < WORKER_HOLDS; place++) {
        if (worker->held[place] != NULL) {
            worker_give(worker, worker->held[place]);
            worker->held[place] = NULL;
        }
    }
}

void job_forget_shelves(void)
{
    memset(&handover, 0, sizeof handover);
    memset(&exchange, 0, sizeof exchange);
}
