/* How large requests are: a log-linear histogram of a sample of them. */
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
 * Sixteen steps a doubling, from 16 bytes to 4 GiB, so that a step's ends are at most a sixteenth
 * apart. A step holds the requests above the end of the one before it, up to its own end; the first
 * one all that are smaller, and the last one all that are larger.
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

/* The largest request of a step but the last. */
static inline size_t histogram_end(unsigned step)
{
    size_t parts = (1 << HISTOGRAM_DOUBLING_SHIFT) + step % (1 << HISTOGRAM_DOUBLING_SHIFT) + 1;
    return parts << (step >> HISTOGRAM_DOUBLING_SHIFT) << (HISTOGRAM_FIRST_SHIFT - HISTOGRAM_DOUBLING_SHIFT);
}

/* Requests by step, and the bytes of all of them. */
struct histogram_figures {
    uint64_t sum;
    uint64_t count[HISTOGRAM_STEPS];
};

/* A request that stands for `weight` of them. Any thread, no lock; for slow paths. */
INTERNAL void histogram_add(size_t request, uint64_t weight);

/* Copies what there is. Signal-safe. */
INTERNAL void histogram_read(struct histogram_figures *figures);

/* All of it, as an object that another process may copy over its own. */
INTERNAL struct span histogram_span(void);

/* In the child of a fork, whose events begin anew. */
INTERNAL void histogram_reset(void);

#endif
