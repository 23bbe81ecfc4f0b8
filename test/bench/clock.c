/* Times a steady workload: how long to warm up, how long to measure. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"

enum {
    WARM_NANOSECONDS = 60 * 1000 * 1000,
    MEASURE_NANOSECONDS = 250 * 1000 * 1000,
};

static uint64_t run_for(int64_t nanoseconds, void (*batch)(void *state), void *state,
                        int64_t *elapsed)
{
    uint64_t batches = 0;
    int64_t start = clock_busy();
    do {
        batch(state);
        batches++;
        *elapsed = clock_busy() - start;
    } while (*elapsed < nanoseconds);
    return batches;
}

double clock_steady(void (*batch)(void *state), void *state, unsigned operations)
{
    int64_t elapsed;
    run_for(WARM_NANOSECONDS, batch, state, &elapsed);
    uint64_t batches = run_for(MEASURE_NANOSECONDS, batch, state, &elapsed);
    return (double)elapsed / ((double)batches * operations);
}
