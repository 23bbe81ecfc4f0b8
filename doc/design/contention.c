/* Measures what doc/design/contention.py computes with: a compare-and-swap, the transfer of a cache line, and what the
 * stack of a large bucket does on as many processors as there are. */
/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/stack.h"

/* A run lasts for a fraction of a millisecond, and the shortest of many runs counts: even on a busy machine some runs
 * are not interrupted. */
enum {
    ITEMS = 1 << 12,
    RUN = 200 * 1000 /* nanoseconds */,
    LEAST_COST = 20,
    TURNS = 1 << 11,
    MOST = 256,
    REPEATS = 500
};

#define NEVER 1e18

static struct stack stack;
static stack_link links[ITEMS];
static atomic_uint arrived;
static _Alignas(CACHE_LINE) _Atomic unsigned turn;
static unsigned pairs;
static unsigned work; /* steps of a loop after each push or pop, in place of what a program does with a buffer */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Lets the calling thread run on the allowed processor number `index`, counted from 0. */
static void pin(unsigned index)
{
    cpu_set_t allowed;
    cpu_set_t one;
    CPU_ZERO(&one);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (unsigned processor = 0; processor < CPU_SETSIZE; processor++) {
        if (CPU_ISSET(processor, &allowed) && index-- == 0) {
            CPU_SET(processor, &one);
        }
    }
    sched_setaffinity(0, sizeof one, &one);
}

static double least(double one, double other)
{
    return one < other ? one : other;
}

/* Waits until all `count` threads are running. Returns the time in nanoseconds. */
static double start_together(unsigned count)
{
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < count) {
    }
    return now();
}

static void spin(unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        __asm__ volatile("" ::: "memory");
    }
}

struct runner {
    pthread_t thread;
    unsigned index;
    unsigned count;
    double began;
    double ended;
};

/* Runs in each of two threads, which change `turn` by turns, so that its cache line moves between their processors.
 * One thread waits for an even `turn`, the other one for an odd one. */
static void *pass(void *argument)
{
    struct runner *runner = argument;
    pin(runner->index);
    runner->began = start_together(runner->count);
    for (unsigned i = 0; i < TURNS; i++) {
        while (atomic_load_explicit(&turn, memory_order_acquire) % 2 != runner->index) {
        }
        atomic_store_explicit(&turn, 2 * i + runner->index + 1, memory_order_release);
    }
    runner->ended = now();
    return NULL;
}

static void *push_and_pop(void *argument)
{
    struct runner *runner = argument;
    pin(runner->index);
    runner->began = start_together(runner->count);
    for (unsigned i = 0; i < pairs; i++) {
        uint32_t item = stack_pop(&stack, links, 0);
        spin(work);
        stack_push(&stack, links, 0, item);
        spin(work);
    }
    runner->ended = now();
    return NULL;
}

/*
 * Runs `run` in `count` threads at once. Returns the nanoseconds from the first start to the last end, or NEVER if the
 * threads did not run side by side from one to the other, because one of them lost its processor meanwhile. Such a run
 * would have less contention than another.
 */
static double time_of(void *(*run)(void *), unsigned count)
{
    struct runner runners[MOST];
    double first = NEVER;
    double last = 0;
    double late = 0;      /* the latest start */
    double early = NEVER; /* the earliest end */
    atomic_store(&turn, 0);
    atomic_store(&arrived, 0);
    for (unsigned i = 0; i < count; i++) {
        runners[i].index = i;
        runners[i].count = count;
        if (pthread_create(&runners[i].thread, NULL, run, &runners[i]) != 0) {
            exit(1);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(runners[i].thread, NULL);
        first = least(first, runners[i].began);
        early = least(early, runners[i].ended);
        late = -least(-late, -runners[i].began);
        last = -least(-last, -runners[i].ended);
    }
    double alone = (late - first) + (last - early);
    return alone > (last - first) / 5 ? NEVER : last - first;
}

static double least_time(void *(*run)(void *), unsigned count)
{
    double time = NEVER;
    for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
        time = least(time, time_of(run, count));
    }
    return time;
}

static double step_time(void)
{
    enum { STEPS = 1000 * 1000 };
    double time = NEVER;
    for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
        double start = now();
        spin(STEPS);
        time = least(time, now() - start);
    }
    return time / STEPS;
}

int main(void)
{
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    unsigned processors = (unsigned)CPU_COUNT(&allowed) < MOST ? (unsigned)CPU_COUNT(&allowed) : MOST;
    double step = step_time();
    for (uint32_t item = 0; item < ITEMS; item++) {
        stack_push(&stack, links, 0, item);
    }
    pairs = RUN / LEAST_COST;
    printf("cas %.2f\n", least_time(push_and_pop, 1) / pairs / 2);
    if (processors > 1) {
        printf("transfer %.2f\n", least_time(pass, 2) / TURNS / 2);
    }
    for (double pause = 0; pause <= 1000; pause = pause == 0 ? 100 : pause * 10) {
        work = (unsigned)(pause / 2 / step);
        pairs = (unsigned)(RUN / (LEAST_COST + pause));
        for (unsigned count = 1; count <= processors; count *= 2) {
            printf("pairs %.0f %u %.2f\n", pause, count, least_time(push_and_pop, count) / pairs / count);
        }
    }
    return 0;
}
