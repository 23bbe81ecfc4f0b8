/* Measures the row `grow`: a buffer grows by realloc from 4 KiB to 1 MiB, as the body of a request does. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* One operation is the whole growth: a malloc, a realloc and one byte written at the new end for each 16 KiB that
 * arrive, and a free. */
#include "bench.h"
#include "clock.h"

#include <stdlib.h>

enum { FIRST = 4 * 1024, STEP = 16 * 1024, LAST = 1024 * 1024, GROWTHS = 16 };

static void grow_batch(void *state)
{
    (void)state;
    for (unsigned i = 0; i < GROWTHS; i++) {
        char *buffer = malloc(FIRST);
        for (size_t size = FIRST;;) {
            ((volatile char *)buffer)[size - 1] = 1;
            if (size == LAST)
                break;
            size = size + STEP < LAST ? size + STEP : LAST;
            char *grown = realloc(buffer, size);
            if (grown == NULL)
                bench_fail("grow: realloc");
            buffer = grown;
        }
        free(buffer);
    }
}

void row_grow(const char *argument)
{
    (void)argument;
    bench_report("grow", clock_steady(grow_batch, NULL, GROWTHS) / 1000, "us");
}
