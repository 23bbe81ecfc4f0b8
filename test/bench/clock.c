/* Measures a steady workload: first a warm-up, then the measurement. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"

enum { WARM_NANOSECONDS = 60 * 1000 * 1000, MEASURED_SHARE = 4 };

static void run(uint64_t batches, void (*batch)(void *state), void *state)
{
    for (uint64_t i = 0; i < batches; i++)
        batch(state);
}

/* Runs batches until the warm-up is over. Returns how many batches were run. */
static uint64_t warm_up(void (*batch)(void *state), void *state)
{
    uint64_t batches = 0;
    int64_t start = clock_busy();
    for (uint64_t more = 1; clock_busy() - start < WARM_NANOSECONDS; more *= 2) {
        run(more, batch, state);
        batches += more;
    }
    return batches;
}

/* The clock is read only twice, before and after all batches. Reading it is a system call, after which the processor
 * has to learn again how to predict the branches of the workload: together this costs 2 us on a virtual machine. */
double clock_steady(void (*batch)(void *state), void *state, unsigned operations)
{
    uint64_t batches = MEASURED_SHARE * warm_up(batch, state);
    int64_t start = clock_busy();
    run(batches, batch, state);
    return (double)(clock_busy() - start) / ((double)batches * operations);
}
