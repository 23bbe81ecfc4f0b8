/* Measures the row `handoff`: one thread allocates and fills buffers, and another thread frees them. There may be
 * several such pairs of threads. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation is a malloc, one byte written in each page, the passage through a bounded queue, and the free. The
 * operations of all pairs of threads count. The row is measured in parts, and the median of the parts is reported.
 * Single parts differ, because the number of buffers in the queue changes all the time, and because both threads of a
 * pair are delayed if one loses its processor. The page faults are those of the whole process in 200,000 operations: an
 * allocator that does not bring the memory back to the allocating thread needs new pages each time.
 */
#include "bench.h"
#include "clock.h"
#include "processor.h"
#include "queue.h"
#include "sizes.h"
#include "touch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    PART = 20000,
    LEAST_PARTS = 5,
    MOST_PARTS = 1000,
    FAULTS_IN = 200000,
    MOST_PAIRS = 16,
    ENOUGH_NANOSECONDS = 400 * 1000 * 1000,
};

/* Two threads of which one allocates and fills buffers, and the other frees them. */
struct pair {
    struct queue queue;
    unsigned number;
};

static struct pair pairs[MOST_PAIRS];
static struct step steps[STEPS];
static atomic_bool over;

/* Runs as the freeing thread of a pair: frees buffers until a NULL comes through the queue, which ends the run. */
static void *consume(void *argument)
{
    struct pair *pair = argument;
    void *buffer;
    processor_pin(1 - pair->number % 2);
    for (unsigned i = 0; (buffer = queue_take(&pair->queue, i, 1)) != NULL; i++)
        free(buffer);
    return argument;
}

static unsigned produce(struct pair *pair, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        size_t size = steps[i % STEPS].size;
        void *buffer = malloc(size);
        touch_pages(buffer, size);
        queue_put(&pair->queue, i, buffer, 1);
    }
    return from + count;
}

/*
 * Runs as the allocating thread of each pair but the first one, until the main thread, which allocates for the first
 * pair, has ended the measurement and set `over`.
 */
static void *produce_beside(void *argument)
{
    struct pair *pair = argument;
    unsigned next = 0;
    processor_pin(pair->number % 2);
    while (!over)
        next = produce(pair, next, QUEUE);
    queue_put(&pair->queue, next, NULL, 1);
    return argument;
}

static void launch(pthread_t *thread, void *(*run)(void *), struct pair *pair)
{
    errno = pthread_create(thread, NULL, run, pair);
    if (errno != 0)
        bench_fail("handoff: pthread_create");
}

/* Returns how many buffers the first `count` pairs of threads have allocated so far, modulo 2^32. */
static unsigned produced(unsigned count)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += pairs[i].queue.produced;
    return sum;
}

static long minor_faults(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        bench_fail("getrusage");
    return usage.ru_minflt;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

struct handoff {
    double nanoseconds;
    double faults;
};

/* Runs as the allocating thread of the first pair, and times all `count` pairs in several parts. Returns the median
 * time of an operation, and how many page faults FAULTS_IN operations have caused. */
static struct handoff measure(unsigned count)
{
    static double costs[MOST_PARTS];
    unsigned parts = 0;
    unsigned next = produce(&pairs[0], 0, PART);
    unsigned first = produced(count);
    unsigned before = first;
    long faults = minor_faults();
    int64_t start = clock_wall();
    int64_t now = start;
    while (parts < LEAST_PARTS || (now - start < ENOUGH_NANOSECONDS && parts < MOST_PARTS)) {
        next = produce(&pairs[0], next, PART);
        int64_t then = clock_wall();
        unsigned sum = produced(count);
        costs[parts++] = (double)(then - now) / (sum - before);
        now = then;
        before = sum;
    }
    faults = minor_faults() - faults;
    queue_put(&pairs[0].queue, next, NULL, 1);
    qsort(costs, parts, sizeof costs[0], compare);
    return (struct handoff){costs[parts / 2], (double)faults * FAULTS_IN / (before - first)};
}

void row_handoff(const char *argument)
{
    char name[32] = "handoff";
    pthread_t consumers[MOST_PAIRS];
    pthread_t producers[MOST_PAIRS];
    unsigned long count = bench_number(argument);
    if (count > MOST_PAIRS)
        bench_fail("handoff: too many pairs of threads");
    sizes_mix(steps, 1);
    processor_pin(0);
    for (unsigned i = 0; i < count; i++) {
        pairs[i].number = i;
        launch(&consumers[i], consume, &pairs[i]);
        if (i > 0)
            launch(&producers[i], produce_beside, &pairs[i]);
    }
    struct handoff result = measure((unsigned)count);
    over = true;
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            pthread_join(producers[i], NULL);
        pthread_join(consumers[i], NULL);
    }
    if (count > 1)
        snprintf(name, sizeof name, "handoff.%lu", count);
    bench_report(name, result.nanoseconds, "ns");
    strcat(name, ".faults");
    bench_report(name, result.faults, "faults");
}
