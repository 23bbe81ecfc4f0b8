/* Measures the rows `drawn`: random workloads for which no allocator was tuned. scripts/bench chooses at random how
 * many threads and buffers a workload has, and the sizes of the buffers. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Each thread has LIVE live buffers. A step chooses one of them at random, frees it, and allocates another in its
 * place. Of a hundred buffers, PASSED are freed in another way: the thread puts such a buffer into a box that all
 * threads share, and frees the buffer that was in the box, which any thread may have allocated. The sizes are random
 * between LOW and HIGH, and their logarithms are evenly distributed. The program writes the first byte of each page.
 * One operation is a malloc and a free.
 */
#include "bench.h"
#include "clock.h"
#include "touch.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 1 << 12, BOXES = 64, MOST_THREADS = 64, MOST_LIVE = 1 << 16, BYTES = 1 << 30, MOST_STEPS = 1 << 20 };

static unsigned threads, low, high, live, passed, steps;
static uint32_t sizes[SIZES];
static _Atomic(char *) boxes[BOXES];
static pthread_barrier_t barrier;

/* Returns a random number by a linear congruential generator of Knuth's. Every allocator gets the same numbers. */
static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static void *work(void *argument)
{
    uint64_t state = (uintptr_t)argument + 1;
    char **buffers = calloc(live, sizeof *buffers);
    if (buffers == NULL)
        bench_fail("drawn: calloc");
    pthread_barrier_wait(&barrier);
    for (unsigned step = 0; step < steps; step++) {
        char **buffer = &buffers[draw(&state) % live];
        char *old = *buffer;
        if (draw(&state) % 100 < passed)
            old = atomic_exchange(&boxes[draw(&state) % BOXES], old);
        free(old);
        uint32_t size = sizes[draw(&state) % SIZES];
        *buffer = malloc(size);
        touch_pages(*buffer, size);
    }
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* Fills the table of sizes, and returns the mean size in bytes. */
static double draw_sizes(void)
{
    uint64_t state = 1;
    double sum = 0;
    for (unsigned i = 0; i < SIZES; i++) {
        double share = (double)(draw(&state) % 10007) / 10007;
        sizes[i] = (uint32_t)(low * pow((double)high / low, share));
        sum += sizes[i];
    }
    return sum / SIZES;
}

/* Reads the numbers of the workload from the argument, such as `4:100:70000:512:25`: threads, smallest and largest
 * size, live buffers of a thread, and how many of a hundred buffers pass to another thread. */
static void read_numbers(const char *argument)
{
    unsigned *const numbers[] = {&threads, &low, &high, &live};
    char text[128], *rest = text;
    snprintf(text, sizeof text, "%s", argument);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char *number = strsep(&rest, ":");
        *numbers[i] = (unsigned)bench_number(number != NULL ? number : "");
    }
    passed = rest != NULL ? (unsigned)strtoul(rest, NULL, 10) : 0;
    if (threads > MOST_THREADS || live > MOST_LIVE || high < low) {
        errno = EINVAL;
        bench_fail("drawn: numbers that are too large");
    }
}

void row_drawn(const char *argument)
{
    pthread_t thread[MOST_THREADS];
    read_numbers(argument);
    double mean = draw_sizes();
    /* with this number of steps, a run takes about a second if the pages are already mapped */
    double wanted = BYTES / mean / threads + 20 * live;
    steps = wanted < MOST_STEPS ? (unsigned)wanted : MOST_STEPS;
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (uintptr_t i = 0; i < threads; i++) {
        errno = pthread_create(&thread[i], NULL, work, (void *)i);
        if (errno != 0)
            bench_fail("drawn: pthread_create");
    }
    pthread_barrier_wait(&barrier);
    int64_t start = clock_wall();
    pthread_barrier_wait(&barrier);
    int64_t elapsed = clock_wall() - start;
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    char name[64];
    snprintf(name, sizeof name, "drawn.%ut.%u-%u.%ulive.%upassed", threads, low, high, live, passed);
    bench_report(name, (double)elapsed / steps / threads, "ns");
}
