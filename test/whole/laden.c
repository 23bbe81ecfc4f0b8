/* A process whose threads allocate and free until its standard input ends, so that another process can read its
 * counters meanwhile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

/* KEPT blocks stay live. The threads allocate and free only a few other blocks meanwhile. So a reading of the counters
 * is nearly exact, even if it misses some of these few. */
enum { WORKERS = 3, HELD = 8, KEPT = 3000, SPARE = 1000, SIZE = 16390 };

static atomic_bool over;
static _Atomic unsigned rounds;

static char *take(void)
{
    char *block = malloc(SIZE);
    CHECK(block != NULL);
    return check_hide(block);
}

static void *work(void *unused)
{
    char *held[HELD] = {NULL};
    for (unsigned i = 0; !atomic_load(&over); i++) {
        free(held[i % HELD]);
        held[i % HELD] = take();
        atomic_fetch_add(&rounds, 1);
    }
    for (unsigned i = 0; i < HELD; i++) {
        free(held[i]);
    }
    return unused;
}

/* The workers block all signals, so that the first thread gets every signal. */
static void start(pthread_t *workers)
{
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, &all, &former), 0);
    check_start(workers, WORKERS, work, NULL);
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, &former, NULL), 0);
}

/* Answers each letter from stdin with the same letter, but only after a worker has allocated again. By then this thread
 * has handled every signal that was sent before the letter. */
static void serve(void)
{
    char letter;
    while (read(STDIN_FILENO, &letter, 1) == 1) {
        for (unsigned seen = atomic_load(&rounds); atomic_load(&rounds) == seen;) {
            sched_yield();
        }
        CHECK_EQUAL(write(STDOUT_FILENO, &letter, 1), 1);
    }
}

int main(void)
{
    static char *blocks[KEPT + SPARE];
    pthread_t workers[WORKERS];
    for (unsigned i = 0; i < KEPT + SPARE; i++) {
        blocks[i] = take();
    }
    for (unsigned i = KEPT; i < KEPT + SPARE; i++) {
        free(blocks[i]);
    }
    start(workers);
    serve();
    atomic_store(&over, true);
    check_join(workers, WORKERS);
    return EXIT_SUCCESS;
}
