/* Measures the row `handoff`: one thread allocates and fills buffers, and another frees them. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation is a malloc, one byte written in each page, the passage through a bounded queue, and the free. The row
 * is measured in parts, and the median of the parts is reported, because the distance between the threads changes all
 * the time, and a thread that loses its processor delays both. The page faults are those of the whole process in
 * 200,000 operations. An allocator that does not bring the memory back from the freeing thread needs new pages each
 * time.
 */
#include "bench.h"
#include "clock.h"
#include "processor.h"
#include "queue.h"
#include "sizes.h"
#include "touch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    PART = 20000,
    LEAST_PARTS = 5,
    MOST_PARTS = 1000,
    FAULTS_IN = 200000,
    ENOUGH_NANOSECONDS = 400 * 1000 * 1000,
};

static struct queue queue;
static struct step steps[STEPS];

/* Frees buffers until a NULL comes, which ends the run. */
static void *consume(void *argument)
{
    void *buffer;
    processor_pin(1);
    for (unsigned i = 0; (buffer = queue_take(&queue, i, 1)) != NULL; i++)
        free(buffer);
    return argument;
}

static unsigned produce(unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        size_t size = steps[i % STEPS].size;
        void *buffer = malloc(size);
        touch_pages(buffer, size);
        queue_put(&queue, i, buffer, 1);
    }
    return from + count;
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
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void row_handoff(const char *argument)
{
    (void)argument;
    pthread_t consumer;
    int64_t times[MOST_PARTS];
    unsigned parts = 0;
    sizes_mix(steps, 1);
    processor_pin(0);
    errno = pthread_create(&consumer, NULL, consume, NULL);
    if (errno != 0)
        bench_fail("handoff: pthread_create");
    unsigned next = produce(0, PART);
    long faults = minor_faults();
    int64_t start = clock_wall();
    int64_t now = start;
    while (parts < LEAST_PARTS || (now - start < ENOUGH_NANOSECONDS && parts < MOST_PARTS)) {
        next = produce(next, PART);
        times[parts] = clock_wall() - now;
        now += times[parts++];
    }
    faults = minor_faults() - faults;
    queue_put(&queue, next, NULL, 1);
    pthread_join(consumer, NULL);
    qsort(times, parts, sizeof times[0], compare);
    bench_report("handoff", (double)times[parts / 2] / PART, "ns");
    bench_report("handoff.faults", (double)faults * FAULTS_IN / ((double)parts * PART), "faults");
}
