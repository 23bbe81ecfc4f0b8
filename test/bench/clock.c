/* Measures how long one operation of a steady workload takes: runs a warm-up first, and then times the workload. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "clock.h"

enum { WARM_NANOSECONDS = 60 * 1000 * 1000, MEASURED_SHARE = 4 };

static void run(uint64_t batches, void (*batch)(void *state), void *state)
{
    for (uint64_t i = 0; i < batches; i++)
        batch(state);
}

/* Runs `batch` again and again, until WARM_NANOSECONDS of processor time are over. Returns how many times it ran. */
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

/*
 * The clock is read only before the first batch and after the last one. Each reading is a system call, after which the
 * processor has to learn again how to predict the workload's branches; together this costs 2 us on a virtual machine.
 */
double clock_steady(void (*batch)(void *state), void *state, unsigned operations)
{
    uint64_t batches = MEASURED_SHARE * warm_up(batch, state);
    int64_t start = clock_busy();
    run(batches, batch, state);
    return (double)(clock_busy() - start) / ((double)batches * operations);
}
