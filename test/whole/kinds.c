/* These cases check that blocks and counters stay intact with every kind of pool (SOCKMALLOC_POOL chooses the kind),
 * while threads work and end and processes fork. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"
#include "usage.h"

/* A child that has not ended after this many seconds gets SIGALRM, and its parent then fails the case. */
enum { CHILD_DEADLINE_SECONDS = 90 };

enum { THREADS = 12, GENERATIONS = 3, FORKS = 4, ROUNDS = 1500, PLACES = 128, SMALL = 2000 };

/* Each block has a mark at MARKS places, and one more at its end. */
enum { MARKS = 8 };
struct head {
    size_t size;
    unsigned char mark;
};

static _Atomic(char *) places[PLACES];
static atomic_ulong taken;
static pthread_barrier_t barrier;

static unsigned draw(unsigned *seed)
{
    *seed = *seed * 1103515245 + 12345;
    return *seed >> 8;
}

/* Returns a random size, from any bucket. Large sizes are less frequent, because writing to such blocks takes long. */
static size_t draw_size(unsigned *seed)
{
    unsigned bucket = draw(seed) % (draw(seed) % 8 == 0 ? POOLS_BUCKETS : POOLS_TRAINED + 1);
    return pools_size(bucket) + draw(seed) % SMALL - (bucket == POOLS_BUCKETS - 1 ? SMALL : 0);
}

static char *take(unsigned *seed)
{
    struct head head = {.size = draw_size(seed), .mark = (unsigned char)draw(seed)};
    char *block = malloc(head.size);
    CHECK(pools_own(block));
    for (size_t at = sizeof head; at < head.size; at += head.size / MARKS) {
        block[at] = (char)head.mark;
    }
    block[head.size - 1] = (char)head.mark;
    memcpy(block, &head, sizeof head);
    atomic_fetch_add(&taken, 1);
    return block;
}

static void give(char *block)
{
    struct head head;
    memcpy(&head, block, sizeof head);
    for (size_t at = sizeof head; at < head.size; at += head.size / MARKS) {
        CHECK_EQUAL((unsigned char)block[at], head.mark);
    }
    CHECK_EQUAL((unsigned char)block[head.size - 1], head.mark);
    free(block);
}

/*
 * Each thread works on random places of the array `places`, which all threads share. A thread has one of three roles.
 * In role 0 it puts a new block into each place and frees the block that was there. In role 1 it only takes blocks out
 * and frees them. In role 2 it puts a new block into a place only if the place is empty, and else frees the new block.
 * Roles 1 and 2 test paths of the library that role 0 leaves out.
 */
static void *hand_over(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    unsigned role = seed % 3;
    pthread_barrier_wait(&barrier);
    for (unsigned round = 0; round < ROUNDS; round++) {
        _Atomic(char *) *place = &places[draw(&seed) % PLACES];
        char *none = NULL;
        char *block = role == 1 ? NULL : take(&seed);
        if (role == 2 && atomic_compare_exchange_strong(place, &none, block)) {
            continue;
        }
        block = role == 2 ? block : atomic_exchange(place, block);
        if (block != NULL) {
            give(block);
        }
    }
    return NULL;
}

/* Forks a child, which checks and frees the parent's blocks, and then allocates and frees blocks of every size. */
static void use_in_child(void)
{
    if (check_is_child()) {
        alarm(CHILD_DEADLINE_SECONDS);
        for (unsigned i = 0; i < PLACES; i++) {
            char *block = atomic_exchange(&places[i], NULL);
            if (block != NULL) {
                give(block);
            }
        }
        use_everything();
        _exit(EXIT_SUCCESS);
    }
}

static void run_generation(unsigned generation)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        void *argument = (void *)(generation * THREADS + i);
        CHECK_EQUAL(pthread_create(&threads[i], NULL, hand_over, argument), 0);
    }
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < FORKS; i++) {
        use_in_child();
    }
    check_join(threads, THREADS);
    pools_check_ledger();
}

CASE(blocks_and_counts_hold)
{
    CHECK_EQUAL(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
    pools_check_ledger(); /* this call also looks up the library's functions with dlsym, before any child needs them */
    for (unsigned generation = 0; generation < GENERATIONS; generation++) {
        run_generation(generation);
    }
    CHECK_EQUAL(pools_figure("requests"), atomic_load(&taken));
    for (unsigned i = 0; i < PLACES; i++) {
        char *block = atomic_exchange(&places[i], NULL);
        if (block != NULL) {
            give(block);
        }
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    CHECK_EQUAL(pools_figure("returned"), atomic_load(&taken));
    pools_check_ledger();
    use_everything();
}

/* With SOCKMALLOC_POOL=cpu each processor has a cache. These caches hold at most one magazine for each bucket and
 * processor, however many threads there are. */
enum { CROWD = 200, MAGAZINE = 62, USES = 20 };

static void *use_and_stay(void *unused)
{
    char *blocks[USES];
    for (int i = 0; i < USES; i++) {
        blocks[i] = malloc(16384);
        CHECK(pools_own(blocks[i]));
        blocks[i][0] = 1;
    }
    for (int i = 0; i < USES; i++) {
        free(blocks[i]);
    }
    pthread_barrier_wait(&barrier); /* the main thread passes this barrier when all threads have used their blocks */
    /* the threads pass this barrier when the main thread has counted the cached slots */
    pthread_barrier_wait(&barrier);
    return unused;
}

CASE(processors_bound_what_is_cached)
{
    pthread_t threads[CROWD];
    CHECK_EQUAL(pthread_barrier_init(&barrier, NULL, CROWD + 1), 0);
    check_start(threads, CROWD, use_and_stay, NULL);
    pthread_barrier_wait(&barrier);
    uint64_t cached = pools_figure("16k.cached");
    CHECK(cached > 0 && cached <= (uint64_t)sysconf(_SC_NPROCESSORS_CONF) * MAGAZINE);
    pools_check_ledger();
    pthread_barrier_wait(&barrier);
    check_join(threads, CROWD);
    CHECK_EQUAL(pools_figure("16k.live"), 0);
}
