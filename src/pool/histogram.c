/* Counts a sample of the requests by their sizes, in a histogram with sixteen steps for each doubling of the size. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/histogram.h"

static LARGE_OBJECT struct {
    struct counter sum;
    struct counter count[HISTOGRAM_STEPS];
} histogram;

void histogram_add(size_t request, uint64_t weight)
{
    counter_add_shared(&histogram.count[histogram_step(request)], weight);
    counter_add_shared(&histogram.sum, request * weight);
}

void histogram_read(struct histogram_figures *figures)
{
    figures->sum = counter_read(&histogram.sum);
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        figures->count[step] = counter_read(&histogram.count[step]);
    }
}

void histogram_reset(void)
{
    counter_reset(&histogram.sum);
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        counter_reset(&histogram.count[step]);
    }
}

COLD struct span histogram_span(void)
{
    return (struct span){&histogram, sizeof histogram};
}
