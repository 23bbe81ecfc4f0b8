/* Counts a sample of the requests by their sizes, in a histogram with sixteen steps for each doubling of the size. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_HISTOGRAM_H
#define SOCKMALLOC_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/counter.h"
#include "base/span.h"
#include "memory/bucket.h"

/*
 * The histogram has sixteen steps for each doubling of the size, from 16 bytes to 4 GiB, so that the lower end of a
 * step is at most a sixteenth below its upper end. A step counts the requests that are larger than the end of the step
 * before and at most as large as its own end. The first step counts all smaller requests too, the last step all larger
 * ones.
 */
enum {
    HISTOGRAM_DOUBLING_SHIFT = 4,
    HISTOGRAM_FIRST_SHIFT = 4,
    HISTOGRAM_LAST_SHIFT = 32,
    HISTOGRAM_STEPS = (HISTOGRAM_LAST_SHIFT - HISTOGRAM_FIRST_SHIFT) << HISTOGRAM_DOUBLING_SHIFT
};

static inline unsigned histogram_step(size_t request)
{
    if (request <= (size_t)1 << HISTOGRAM_FIRST_SHIFT) {
        return 0;
    }
    if (request > (size_t)1 << HISTOGRAM_LAST_SHIFT) {
        return HISTOGRAM_STEPS - 1;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzl(request - 1);
    unsigned within = (unsigned)((request - 1) >> (shift - HISTOGRAM_DOUBLING_SHIFT));
    return ((shift - HISTOGRAM_FIRST_SHIFT - 1) << HISTOGRAM_DOUBLING_SHIFT) + within;
}

/*
 * Returns the largest request in bytes that a step counts. This function must not be called for the last step, which
 * has no end.
 */
static inline size_t histogram_end(unsigned step)
{
    size_t parts = (1 << HISTOGRAM_DOUBLING_SHIFT) + step % (1 << HISTOGRAM_DOUBLING_SHIFT) + 1;
    return parts << (step >> HISTOGRAM_DOUBLING_SHIFT) << (HISTOGRAM_FIRST_SHIFT - HISTOGRAM_DOUBLING_SHIFT);
}

/* A copy of the histogram: the number of requests in each step, and the sum of their bytes. */
struct histogram_figures {
    uint64_t sum;
    uint64_t count[HISTOGRAM_STEPS];
};

/* Counts a sampled request that stands for `weight` requests of its size. Any thread may call this function, which
 * takes no lock. It is for slow paths, because it costs two locked additions. */
INTERNAL void histogram_add(size_t request, uint64_t weight);

/* Copies the histogram. The function is signal-safe. */
INTERNAL void histogram_read(struct histogram_figures *figures);

/* Returns the address and the size of the histogram, for another process that copies the statistics of this process. */
INTERNAL struct span histogram_span(void);

/* Sets all counts to 0. This function runs in the child of a fork, whose statistics begin at 0. */
INTERNAL void histogram_reset(void);

#endif
