/* Times a steady workload: how long to warm up, how long to measure. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"

enum { WARM_NANOSECONDS = 60 * 1000 * 1000, MEASURED_SHARE = 4 };

static void run(uint64_t batches, void (*batch)(void *state), void *state)
{
    for (uint64_t i = 0; i < batches; i++)
        batch(state);
}

/* How many batches the warming up takes. */
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

/* The clock is a system call, and after it the processor has to learn again which way the branches
 * go: 2 us together on a virtual machine. So it is read twice for what is measured. */
double clock_steady(void (*batch)(void *state), void *state, unsigned operations)
{
    uint64_t batches = MEASURED_SHARE * warm_up(batch, state);
    int64_t start = clock_busy();
    run(batches, batch, state);
    return (double)(clock_busy() - start) / ((double)batches * operations);
}
