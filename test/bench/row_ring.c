/* Measures the row `ring`: one thread allocates messages of 512 bytes, and another one frees them. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Under sockmalloc the messages are allocated in a ring of 1 MiB with chunks of 512 bytes, under other allocators by
 * malloc. The first figure is the time of one operation: an allocation, one byte written, the passage through a queue
 * in batches, and the free. The second figure is the time of an operation in which the allocating thread also fills the
 * message, and the freeing thread reads it. Each run is timed in parts of 65,536 operations, and both figures are
 * medians of these parts.
 *
 * The third figure shows how close together the allocator's addresses are. One thread keeps the last 512 messages, of
 * random sizes between 64 and 1,500 bytes, and reads all of them twice. The figure is the mean time of reading one
 * message the second time. The figure is a time and no count of cache misses, because a virtual machine often has no
 * counter of them. For this figure the ring has chunks of 128 bytes.
 */
#include "bench.h"
#include "clock.h"
#include "processor.h"
#include "queue.h"
#include "touch.h"

#include <errno.h>
#include <pthread.h>
#include <sockmalloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* These functions are declared weak, because the program is not linked with sockmalloc: they are NULL unless sockmalloc
 * is preloaded. */
#pragma weak sockmalloc_ring_create
#pragma weak sockmalloc_ring_alloc
#pragma weak sockmalloc_ring_free

enum {
    MESSAGE = 512,
    MEMORY = 1 << 20,
    BATCH = 32,
    LIVE = 512,
    TURNS = 200,
    PART = 1 << 16,
    LEAST_PARTS = 5,
    MOST_PARTS = 1000,
    ENOUGH_NANOSECONDS = 300 * 1000 * 1000,
};

static struct queue queue;
static struct sockmalloc_ring *ring;
static int64_t times[MOST_PARTS];
static bool reads; /* true while the second figure is measured, for which the messages are filled and read */

static void open_ring(size_t chunk_size)
{
    const struct sockmalloc_ring_options options = {.size = sizeof options, .chunk_size = chunk_size};
    void *memory;
    if (sockmalloc_ring_create == NULL)
        return;
    errno = posix_memalign(&memory, SOCKMALLOC_RING_ALIGNMENT, MEMORY);
    if (errno != 0 || (ring = sockmalloc_ring_create(memory, MEMORY, &options)) == NULL)
        bench_fail("ring");
}

static void *allocate(size_t size)
{
    void *message;
    if (ring == NULL)
        return malloc(size);
    while ((message = sockmalloc_ring_alloc(ring, size, 0)) == NULL)
        sched_yield();
    return message;
}

static void release(void *message)
{
    if (ring == NULL)
        free(message);
    else
        sockmalloc_ring_free(ring, message);
}

static uint64_t sum_of(const void *message, size_t size)
{
    const volatile uint64_t *words = message;
    uint64_t sum = 0;
    for (unsigned i = 0; i < size / sizeof *words; i++)
        sum += words[i];
    return sum;
}

/* Runs as the freeing thread: frees messages until a NULL comes through the queue. */
static void *consume(void *argument)
{
    void *message;
    processor_pin(1);
    for (unsigned i = 0; (message = queue_take(&queue, i, BATCH)) != NULL; i++) {
        if (reads)
            sum_of(message, MESSAGE);
        release(message);
    }
    return argument;
}

static unsigned produce(unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        void *message = allocate(MESSAGE);
        if (reads)
            memset(message, (int)i, MESSAGE);
        else
            touch_first(message);
        queue_put(&queue, i, message, BATCH);
    }
    return from + count;
}

static void *live[LIVE];
static size_t sizes[LIVE];

/* Frees all live messages, one after the other, and allocates a new one of random size in place of each. */
static void replace_all(uint64_t *state)
{
    for (unsigned i = 0; i < LIVE; i++) {
        release(live[i]);
        *state = *state * 6364136223846793005U + 1442695040888963407U;
        sizes[i] = 64 + (size_t)(*state >> 33) % 1437;
        live[i] = allocate(sizes[i]);
        memset(live[i], (int)i, sizes[i]);
    }
}

/*
 * Reads one byte of each cache line of the message, so that the time is that of the cache accesses and not that of
 * adding up bytes.
 */
static void read_lines(const volatile char *message, size_t size)
{
    for (size_t at = 0; at < size; at += 64)
        (void)message[at];
}

/* Returns how many nanoseconds it takes to read one message for the second time. */
static double reread(void)
{
    uint64_t state = 1;
    int64_t spent = 0;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        int64_t start = 0;
        replace_all(&state);
        for (unsigned pass = 0; pass < 2; pass++) {
            start = clock_busy();
            for (unsigned i = 0; i < LIVE; i++)
                read_lines(live[i], sizes[i]);
        }
        spent += clock_busy() - start;
    }
    return (double)spent / TURNS / LIVE;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Runs the allocating and the freeing thread, and returns the median time of an operation in nanoseconds. */
static double run(bool with_reads)
{
    pthread_t consumer;
    unsigned parts = 0;
    queue = (struct queue){.produced = 0};
    reads = with_reads;
    errno = pthread_create(&consumer, NULL, consume, NULL);
    if (errno != 0)
        bench_fail("ring: pthread_create");
    unsigned next = produce(0, PART);
    int64_t start = clock_wall();
    int64_t now = start;
    while (parts < LEAST_PARTS || (now - start < ENOUGH_NANOSECONDS && parts < MOST_PARTS)) {
        next = produce(next, PART);
        times[parts] = clock_wall() - now;
        now += times[parts++];
    }
    for (unsigned i = 0; i < BATCH; i++)
        queue_put(&queue, next + i, NULL, BATCH);
    pthread_join(consumer, NULL);
    qsort(times, parts, sizeof times[0], compare);
    return (double)times[parts / 2] / PART;
}

void row_ring(const char *argument)
{
    (void)argument;
    processor_pin(0);
    open_ring(MESSAGE);
    double pair = run(false);
    double filled = run(true);
    open_ring(SOCKMALLOC_RING_ALIGNMENT);
    double again = reread();
    bench_report("ring.512", pair, "ns");
    bench_report("ring.512.filled", filled, "ns");
    bench_report("ring.reread", again, "ns");
}
