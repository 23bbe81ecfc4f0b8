/* Tests of fixed-size pools with several threads, with signal handlers, and in the child of a fork. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "buffers/fixed_pool.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/fixed_pools.h"
#include "support/steps.h"

enum { THREADS = 6, ROUNDS = 30000, HELD = 40, SHELF = 256 };

static struct sockmalloc_pool *pool;
static _Atomic(uint64_t *) shelf[SHELF]; /* blocks that any thread may put here, and any thread may take and free */

/* mark fills a block with a number of its owner. expect_mark checks that no other thread has written to the block since
 * then. */
static void mark(uint64_t *block, uint64_t owner)
{
    for (unsigned i = 0; i < 8; i++) {
        block[i] = owner;
    }
}

static void expect_mark(const uint64_t *block)
{
    for (unsigned i = 1; i < 8; i++) {
        CHECK(block[i] == block[0]);
    }
}

static void give(uint64_t *block)
{
    if (block != NULL) {
        expect_mark(block);
        mark(block, 0);
        sockmalloc_pool_free(pool, block);
    }
}

static void work(unsigned thread)
{
    uint64_t random = thread + 1;
    uint64_t *held[HELD] = {NULL};
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t **place = &held[crew_random(&random) % HELD];
        give(*place);
        *place = sockmalloc_pool_alloc(pool);
        if (!CHECK(*place != NULL)) {
            return;
        }
        mark(*place, crew_random(&random));
        if (crew_random(&random) % 4 == 0) {
            *place = atomic_exchange(&shelf[crew_random(&random) % SHELF], *place);
        }
        if (round % 1000 == 0 && thread % 2 == 0) {
            sockmalloc_pool_trim(pool);
        }
    }
    for (unsigned i = 0; i < HELD; i++) {
        give(held[i]);
    }
}

static const struct {
    int returned;
    size_t limit;
    unsigned flags;
} policies[] = {
    {SOCKMALLOC_POOL_NEVER, 0, 0},
    {SOCKMALLOC_POOL_NEVER, 30, 0},
    {SOCKMALLOC_POOL_NEVER, 30, SOCKMALLOC_POOL_KEEP_ADDRESSES},
    {SOCKMALLOC_POOL_BY_AGE, 0, SOCKMALLOC_POOL_IN_USE},
    {SOCKMALLOC_POOL_AT_ONCE, 0, 0},
};

Test(fixed_threads, no_block_has_two_owners_and_none_is_lost, .timeout = 120)
{
    for (size_t i = 0; i < FIXED_KINDS * sizeof policies / sizeof policies[0]; i++) {
        size_t row = i / FIXED_KINDS;
        struct sockmalloc_pool_options options = fixed_options((int)(i % FIXED_KINDS), i % 2 == 0 ? 4096 : 1000);
        options.returned = policies[row].returned;
        options.free_limit = policies[row].limit;
        options.flags = policies[row].flags;
        options.chunk = 16 * 4096;
        pool = fixed_make(&options);
        crew_run(THREADS, work);
        for (unsigned place = 0; place < SHELF; place++) {
            give(atomic_exchange(&shelf[place], NULL));
        }
        cr_assert_null(crew_fault(), "case %zu: %s", i, crew_fault());
        fixed_expect(pool, "live", 0);
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0, "case %zu", i);
    }
}

/* --- walks --- */

static _Atomic bool over;

/* The walk over blocks in use calls this function for each block. While the function runs, the pool gives the block to
 * no other thread, even if the owner frees the block. So a mark that is not 0 must stay, or become the 0 that
 * the owner writes before it frees the block. */
static int look(void *context, const struct sockmalloc_pool_use *use)
{
    const _Atomic uint64_t *block = use->block;
    uint64_t first = atomic_load(block);
    (void)context;
    sched_yield();
    uint64_t second = atomic_load(block);
    CHECK(first == 0 || second == first || second == 0);
    return 0;
}

static void walk_or_work(unsigned thread)
{
    if (thread == 0) {
        while (!atomic_load(&over)) {
            CHECK(sockmalloc_pool_each(pool, look, NULL) == 0);
        }
        return;
    }
    for (unsigned round = 0; round < 2000; round++) {
        _Atomic uint64_t *block = sockmalloc_pool_alloc(pool);
        if (!CHECK(block != NULL)) {
            break;
        }
        atomic_store(block, 0);
        atomic_store(block, thread * UINT64_C(1000000) + round);
        sched_yield();
        atomic_store(block, 0);
        sockmalloc_pool_free(pool, (void *)block);
    }
    atomic_store(&over, true);
}

Test(fixed_threads, walk_goes_on_while_others_allocate_and_free, .timeout = 60)
{
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct sockmalloc_pool_options options = fixed_options(kind, 64);
        options.flags = SOCKMALLOC_POOL_IN_USE;
        options.returned = SOCKMALLOC_POOL_AT_ONCE;
        pool = fixed_make(&options);
        atomic_store(&over, false);
        crew_run(3, walk_or_work);
        cr_assert_null(crew_fault(), "%s", crew_fault());
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
    }
}

/* --- magazines between threads --- */

static void *free_all(void *blocks)
{
    for (unsigned i = 0; i < 1000; i++) {
        sockmalloc_pool_free(pool, ((void **)blocks)[i]);
    }
    return NULL;
}

/* One thread only allocates blocks, and short-lived threads only free them. The blocks must come back to the first
 * thread; otherwise the pool would grow. */
Test(fixed_threads, blocks_come_back_from_threads_that_only_free)
{
    static void *blocks[1000];
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, 2000);
    pool = fixed_make(&options);
    for (unsigned round = 0; round < 20; round++) {
        pthread_t thread;
        fixed_take(pool, blocks, 1000);
        cr_assert_eq(pthread_create(&thread, NULL, free_all, blocks), 0);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        fixed_expect(pool, "live", 0);
        cr_assert_leq(fixed_figure(pool, "carved"), 1000 + 2 * FIXED_MAGAZINE + 258);
    }
}

static void *use_and_end(void *argument)
{
    sockmalloc_pool_free(pool, sockmalloc_pool_alloc(pool));
    return argument;
}

/* A thread's magazines are kept for the next thread that starts. If no thread starts, sockmalloc_pool_trim must find
 * the blocks of the ended thread free and give them back. */
Test(fixed_threads, blocks_of_an_ended_thread_are_given_back)
{
    pthread_t thread;
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, 4096);
    pool = fixed_make(&options);
    cr_assert_eq(pthread_create(&thread, NULL, use_and_end, NULL), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    sockmalloc_pool_trim(pool);
    fixed_expect(pool, "cached", 0);
    fixed_expect(pool, "chunks", 0);
}

/* --- the child of a fork --- */

static _Atomic unsigned at_rest;

static void use_in_child(void *argument)
{
    void **mine = argument;
    uint64_t value;
    sockmalloc_pool_statistic(pool, "live", &value);
    CHECK(value <= 100 + THREADS * HELD);
    sockmalloc_pool_statistic(pool, "cached", &value);
    CHECK(value == 0);
    for (unsigned i = 0; i < 100; i++) {
        sockmalloc_pool_free(pool, mine[i]);
    }
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t *block = sockmalloc_pool_alloc(pool);
        if (!CHECK(block != NULL)) {
            return;
        }
        mark(block, i);
    }
    sockmalloc_pool_trim(pool);
    CHECK(sockmalloc_pool_destroy(pool, 0) == -1);
    CHECK(sockmalloc_pool_destroy(pool, SOCKMALLOC_POOL_ALL_THE_SAME) == 0);
}

static void *churn(void *argument)
{
    void *held[HELD];
    atomic_fetch_add(&at_rest, 1);
    while (!atomic_load(&over)) {
        for (unsigned i = 0; i < HELD; i++) {
            held[i] = sockmalloc_pool_alloc(pool);
        }
        for (unsigned i = 0; i < HELD; i++) {
            sockmalloc_pool_free(pool, held[i]);
        }
    }
    return argument;
}

Test(fixed_threads, child_of_a_fork_goes_on, .timeout = 120)
{
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        static void *mine[100];
        pthread_t threads[THREADS];
        struct sockmalloc_pool_options options = fixed_options(kind, 1000);
        options.chunk = 16 * 4096;
        options.free_limit = kind == SOCKMALLOC_POOL_LOCKFREE ? 50 : 0;
        pool = fixed_make(&options);
        fixed_take(pool, mine, 100);
        atomic_store(&over, false);
        atomic_store(&at_rest, 0);
        for (unsigned i = 0; i < THREADS; i++) {
            cr_assert_eq(pthread_create(&threads[i], NULL, churn, NULL), 0);
        }
        while (atomic_load(&at_rest) < THREADS) {
            sched_yield();
        }
        for (unsigned fork = 0; fork < 10; fork++) {
            capture_clean(use_in_child, mine);
        }
        atomic_store(&over, true);
        for (unsigned i = 0; i < THREADS; i++) {
            cr_assert_eq(pthread_join(threads[i], NULL), 0);
        }
        fixed_give(pool, mine, 100);
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
    }
}

/* --- signal handlers --- */

static void *between;
static void *in_step;

static void take_step(void)
{
    in_step = sockmalloc_pool_alloc(pool);
}

static void give_step(void)
{
    sockmalloc_pool_free(pool, in_step);
}

static void interrupt(void *context)
{
    (void)context;
    if (between == NULL) {
        between = sockmalloc_pool_alloc(pool);
        return;
    }
    sockmalloc_pool_free(pool, between);
    between = NULL;
}

/* A signal handler allocates or frees after each instruction of an allocation and of a free. */
Test(fixed_threads, handler_may_come_after_any_instruction, .timeout = 120)
{
    steps_need();
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct sockmalloc_pool_options options = fixed_options(kind, 128);
        pool = fixed_make(&options);
        sockmalloc_pool_free(pool, sockmalloc_pool_alloc(pool));
        bool stopped = true;
        /* interrupts after each of the first instructions, and later in growing steps, because code with a sanitizer
         * has thousands of instructions */
        for (unsigned at = 1; stopped; at += 1 + at / 256) {
            stopped = steps_run(at, take_step, interrupt);
            CHECK(in_step != NULL && in_step != between);
            stopped = steps_run(at, give_step, interrupt) || stopped;
            fixed_expect(pool, "live", between != NULL);
        }
        sockmalloc_pool_free(pool, between);
        between = NULL;
        cr_assert_null(crew_fault(), "%s", crew_fault());
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
    }
}
