/* Counts sizes in bytes, such as those of messages: how many sizes there were, their sum, and a histogram with eight
 * steps for each doubling of the size. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SIZE_STATISTICS_H
#define SOCKMALLOC_SIZE_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/bounds.h"
#include "base/counter.h"

/*
 * The sizes from 0 to 8 bytes share the first step, and each size from 9 to 15 has a step of its own. From 16 bytes on,
 * the sizes from a power of two up to the next are divided into eight steps, so that sizes of one step differ by less
 * than an eighth. The last step counts all sizes from its start on.
 */
enum { SIZE_DOUBLING_SHIFT = 3, SIZE_DOUBLING = 1 << SIZE_DOUBLING_SHIFT, SIZE_STEPS = 20 * SIZE_DOUBLING };

/* The sizes that one thread has counted. This thread alone writes the counters, and any thread may read them. The
 * number of sizes is the sum of all steps. */
struct size_statistics {
    struct counter bytes;            /* the sum of all sizes */
    struct counter step[SIZE_STEPS]; /* how many sizes each step of the histogram has counted */
};

/* The sum of the statistics of several threads. */
struct size_figures {
    uint64_t count;
    uint64_t bytes;
    uint64_t step[SIZE_STEPS];
};

/* Returns the number of the step of the histogram that counts `size`. The last step begins at 7.5 MiB. */
static inline unsigned size_step(size_t size)
{
    size_t number = GREATER(size, (size_t)SIZE_DOUBLING);
    unsigned doubling = 63 - SIZE_DOUBLING_SHIFT - (unsigned)__builtin_clzl(number);
    unsigned step = doubling * SIZE_DOUBLING + (unsigned)(number >> doubling) - SIZE_DOUBLING;
    return LESSER(step, SIZE_STEPS - 1U);
}

/* Returns the largest size in bytes that the step counts. For the last step, which has no end, returns 8 MiB less 1. */
static inline size_t size_step_end(unsigned step)
{
    size_t next = step % SIZE_DOUBLING + SIZE_DOUBLING + 1;
    return (next << step / SIZE_DOUBLING) - 1;
}

/* Counts a size `times` times. Only the thread that owns the statistics may call the function. Price: two additions. */
static inline void size_statistics_add(struct size_statistics *statistics, size_t size, uint64_t times)
{
    counter_add(&statistics->bytes, size * times);
    counter_add(&statistics->step[size_step(size)], times);
}

/* Adds the statistics of one thread to the sum. Any thread may call the function, and any signal handler. */
INTERNAL void size_statistics_sum(struct size_figures *sum, const struct size_statistics *statistics);

/*
 * Returns the size that `parts` of 1,000 counted sizes do not exceed, rounded up to the end of its step. If `parts` is
 * 990, this is the 99th percentile. Returns 0 if nothing was counted.
 */
INTERNAL size_t size_figures_quantile(const struct size_figures *figures, unsigned parts);

#endif
