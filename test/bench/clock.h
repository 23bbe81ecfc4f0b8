/* The two clocks of the benchmark program, and the function that measures a steady workload. */
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

/* Returns the wall-clock time in nanoseconds. Rows of several threads use it, so that the time in which threads wait
 * for each other counts. */
static inline int64_t clock_wall(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* Returns the processor time of the calling thread in nanoseconds, with its system calls and page faults. Rows of one
 * thread use it, so that the time of other programs on the machine does not count. */
static inline int64_t clock_busy(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/*
 * Runs `batch`, which does `operations` operations a call. First comes a warm-up, and then four times as many runs are
 * timed, which takes a quarter to half a second. Returns the mean time of an operation in nanoseconds. It is the mean
 * and not the median of the batches, because an allocator may put work off and do it in a few batches, and this work
 * must count too.
 */
double clock_steady(void (*batch)(void *state), void *state, unsigned operations);

#endif
