/* These cases fork many times. At each fork, the parent's other threads are stopped at a random place, often inside the
 * allocator. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

/*
 * Eight threads allocate and free blocks of all sizes, also each other's blocks. Before each fork a signal stops these
 * threads at a random place, and the child inherits their state. A few hundred such forks test states that would be met
 * once in millions of ordinary forks.
 */
enum { CHURNERS = 8, SHELF = 512, LAID_A_FORK = 500, FORKS = 60, CHILD_DEADLINE_SECONDS = 90 };
enum { PARK = SIGUSR2, PROGRESS = 1000 };

static _Atomic(char *) shelf[SHELF];
static atomic_bool stop;
static sem_t parked;
static sem_t left;
static int gate[2];

static unsigned draw(unsigned *seed)
{
    *seed = *seed * 1103515245 + 12345;
    return *seed >> 8;
}

/* Returns a random size in bytes: usually one that mimalloc serves, sometimes one that the pools serve, and rarely one
 * that is too large for the pools. */
static size_t draw_size(unsigned *seed)
{
    unsigned kind = draw(seed) % 16;
    if (kind < 12) {
        return 1 + draw(seed) % 3000;
    }
    return kind < 15 ? 1 + draw(seed) % POOLS_LARGEST : POOLS_LARGEST + 1 + draw(seed) % 4000000;
}

/* Puts a new block into a random place of the array `shelf`, and frees the block that was in this place. Any thread may
 * have allocated that block. */
static void lay(unsigned *seed, size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL);
    block[0] = 1;
    free(atomic_exchange(&shelf[draw(seed) % SHELF], block));
}

static void *churn(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    while (!atomic_load(&stop)) {
        lay(&seed, draw_size(&seed));
    }
    return NULL;
}

static void park(int signal_number)
{
    char byte;
    int kept = errno;
    (void)signal_number;
    sem_post(&parked);
    CHECK_EQUAL(read(gate[0], &byte, 1), 1);
    /*
     * Each stopped thread waits here until it has read one byte, and then posts `left`. No thread may be stopped again
     * before all have posted, because a thread that is stopped again could read the byte that is meant for another
     * thread.
     */
    sem_post(&left);
    errno = kept;
}

/* Checks that a child can allocate and free blocks of all sizes, and can free the blocks that its parent's threads have
 * allocated. */
static void use_everything(unsigned seed)
{
    for (int i = 0; i < 40; i++) {
        lay(&seed, draw_size(&seed));
    }
    for (int i = 0; i < SHELF; i++) {
        free(atomic_exchange(&shelf[i], NULL));
    }
    malloc_trim(0);
}

/* Runs as the child of the fork `number`. Every second child ends by pthread_exit instead of _exit, so that the
 * destructors of thread-specific data run. */
static void be_child(unsigned number)
{
    alarm(CHILD_DEADLINE_SECONDS);
    use_everything(number);
    if (number % 2 == 0) {
        pthread_exit(NULL);
    }
    _exit(EXIT_SUCCESS);
}

static void await_all(sem_t *said)
{
    for (int i = 0; i < CHURNERS; i++) {
        while (sem_wait(said) != 0) {
            CHECK_EQUAL(errno, EINTR);
        }
    }
}

static void fork_once(pthread_t *threads, unsigned number)
{
    for (int i = 0; i < CHURNERS; i++) {
        CHECK_EQUAL(pthread_kill(threads[i], PARK), 0);
    }
    await_all(&parked);
    if (check_is_child()) {
        be_child(number);
    }
    CHECK_EQUAL(write(gate[1], "releases", CHURNERS), CHURNERS);
    await_all(&left);
}

static unsigned forks_wanted(void)
{
    return check_arguments[0] != NULL ? (unsigned)atoi(check_arguments[0]) : FORKS;
}

/* Runs as a thread that is not the parent's first one, and forks. So pthread_exit in a child (be_child) ends a thread
 * that pthread_create has started. */
static void *fork_again_and_again(void *unused)
{
    pthread_t threads[CHURNERS];
    unsigned seed = 4711;
    for (uintptr_t i = 0; i < CHURNERS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    }
    for (unsigned number = 1; number <= forks_wanted(); number++) {
        /* mimalloc serves these small blocks on pages that belong to this thread, and other threads free the blocks */
        for (int i = 0; i < LAID_A_FORK; i++) {
            lay(&seed, 1 + draw(&seed) % 3000);
        }
        fork_once(threads, number);
        if (number % PROGRESS == 0) {
            fprintf(stderr, "forks: %u of %u\n", number, forks_wanted());
        }
    }
    atomic_store(&stop, true);
    check_join(threads, CHURNERS);
    return unused;
}

CASE(while_threads_stand_anywhere)
{
    struct sigaction action = {.sa_handler = park, .sa_flags = SA_RESTART};
    CHECK_EQUAL(sigaction(PARK, &action, NULL), 0);
    CHECK_EQUAL(sem_init(&parked, 0, 0), 0);
    CHECK_EQUAL(sem_init(&left, 0, 0), 0);
    CHECK_EQUAL(pipe(gate), 0);
    check_in_thread(fork_again_and_again, NULL);
    use_everything(1);
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}
