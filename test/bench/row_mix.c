/* Measures the row `mix`: buffers of mixed sizes, which are freed in the order in which they were allocated. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation is a malloc, one byte written, and a free of the buffer that was allocated sixteen operations before.
 */
#include "bench.h"
#include "clock.h"
#include "sizes.h"
#include "touch.h"

#include <stdlib.h>

enum { QUEUE = 16, OPERATIONS = 2048 };

struct queue {
    void *live[QUEUE];
    unsigned next;
};

static struct step steps[STEPS];

static void mix_batch(void *state)
{
    struct queue *queue = state;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        unsigned next = queue->next++;
        void **oldest = &queue->live[next % QUEUE];
        free(*oldest);
        *oldest = malloc(steps[next % STEPS].size);
        touch_first(*oldest);
    }
}

void row_mix(const char *argument)
{
    (void)argument;
    static struct queue queue;
    sizes_mix(steps, QUEUE);
    bench_report("mix", clock_steady(mix_batch, &queue, OPERATIONS), "ns");
}
