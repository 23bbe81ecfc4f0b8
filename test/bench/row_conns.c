/* Measures the row `conns`: up to a thousand threads serve requests, each of which allocates three buffers. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Between two requests a thread calls sched_yield and lets the others run, as a server's thread does while it waits for
 * its client. So most threads are idle at any time, and the peak of the memory shows how much the allocator keeps for
 * each thread. One operation is a malloc, one byte written, a free, and a third of a switch between threads, because a
 * request has three buffers.
 */
#include "bench.h"
#include "clock.h"
#include "sizes.h"
#include "touch.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* REQUESTS is how many requests all threads serve together. It does not depend on the number of threads. */
enum { MOST_THREADS = 1000, REQUESTS = 100 * 1000, BUFFERS = 3, STACK_BYTES = 64 * 1024 };

static struct step steps[STEPS];
static pthread_t threads[MOST_THREADS];
static unsigned requests_each;
static pthread_barrier_t barrier;

static void *serve(void *argument)
{
    /* 1009 is odd and STEPS is a power of two, so each thread begins at another place in the table of sizes */
    unsigned next = (unsigned)(uintptr_t)argument * 1009;
    pthread_barrier_wait(&barrier);
    for (unsigned request = 0; request < requests_each; request++) {
        void *buffers[BUFFERS];
        for (unsigned i = 0; i < BUFFERS; i++) {
            buffers[i] = malloc(steps[next++ % STEPS].size);
            touch_first(buffers[i]);
        }
        for (unsigned i = 0; i < BUFFERS; i++)
            free(buffers[i]);
        sched_yield();
    }
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* Returns the largest resident memory that this program has had so far, in MiB. It does not use getrusage, whose figure
 * would include the program that executed this one. */
static double peak_mebibytes(void)
{
    char line[128];
    unsigned long kibibytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL)
        bench_fail("/proc/self/status");
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kibibytes = strtoul(line + 6, NULL, 10);
    fclose(status);
    if (kibibytes == 0)
        bench_fail("VmHWM in /proc/self/status");
    return (double)kibibytes / 1024;
}

void row_conns(const char *argument)
{
    char name[32] = "conns";
    pthread_attr_t attributes;
    unsigned long count = bench_number(argument);
    if (count > MOST_THREADS)
        bench_fail("conns: too many threads");
    requests_each = (unsigned)(REQUESTS / count);
    sizes_mix(steps, 1);
    pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (uintptr_t i = 0; i < count; i++) {
        errno = pthread_create(&threads[i], &attributes, serve, (void *)i);
        if (errno != 0)
            bench_fail("conns: pthread_create");
    }
    pthread_barrier_wait(&barrier);
    int64_t start = clock_wall();
    pthread_barrier_wait(&barrier);
    int64_t elapsed = clock_wall() - start;
    for (unsigned long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (count != MOST_THREADS)
        snprintf(name, sizeof name, "conns.%lu", count);
    bench_report(name, (double)elapsed / ((double)requests_each * (double)count * BUFFERS), "ns");
    strcat(name, ".peak");
    bench_report(name, peak_mebibytes(), "MiB");
}
