/* The two clocks of the benchmark, and the loop that times a steady workload. */
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

/* Nanoseconds on the wall: for workloads of several threads, where waiting for each other is part of the price. */
static inline int64_t clock_wall(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* Nanoseconds that this thread has run, its system calls and page faults included: for workloads of
 * one thread, so that other programs on the machine are not charged to the allocator. */
static inline int64_t clock_busy(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* Runs `batch` (which does `operations` operations a call) for a warm-up and then four times as often, for a quarter of
 * a second, and returns the mean nanoseconds an operation. The mean and not the median of the batches: an allocator
 * that saves its work up and then does it all at once is to pay for that too. */
double clock_steady(void (*batch)(void *state), void *state, unsigned operations);

#endif
