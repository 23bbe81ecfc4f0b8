/* The row `pair`: one malloc, one byte written, one free, of one size again and again. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench.h"
#include "clock.h"
#include "touch.h"

#include <stdlib.h>

enum { PAIRS = 4096 };

static void pair_batch(void *state)
{
    size_t size = *(size_t *)state;
    for (unsigned i = 0; i < PAIRS; i++) {
        void *buffer = malloc(size);
        touch_first(buffer);
        free(buffer);
    }
}

void row_pair(const char *argument)
{
    char name[32];
    size_t kibibytes = bench_number(argument);
    size_t size = kibibytes * 1024;
    double cost = clock_steady(pair_batch, &size, PAIRS);
    bench_size_name(name, sizeof name, "pair", kibibytes);
    bench_report(name, cost, "ns");
}
