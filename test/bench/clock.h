/* The two clocks of the benchmark, and the loop that measures a steady workload. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Returns the wall-clock time in nanoseconds, for workloads of several threads, where waiting for each other counts. */
static inline int64_t clock_wall(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* Returns the nanoseconds that this thread has run, including system calls and page faults. It is for workloads of
 * one thread, so that other programs on the machine do not count. */
static inline int64_t clock_busy(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* Runs `batch`, which does `operations` operations a call, as a warm-up and then four times as often, for a quarter
 * of a second. Returns the mean nanoseconds of an operation. The mean is used and not the median of the batches, so
 * that work which an allocator puts off and then does at once counts too. */
double clock_steady(void (*batch)(void *state), void *state, unsigned operations);

#endif
