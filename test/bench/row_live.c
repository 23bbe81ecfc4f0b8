/* Measures the row `live`: up to a million buffers of 4 KiB are live, and random ones of them are replaced. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation replaces one buffer: a free, a malloc, and one byte written. The buffer to replace is drawn at random
 * each time, and not read from a table of limited length, so that each of up to a million buffers can be replaced. With
 * so many buffers, the allocator's own data for each buffer are no longer in the processor's caches. The memory is
 * measured at the end, when all buffers are live.
 */
#include "bench.h"
#include "clock.h"
#include "memory.h"
#include "touch.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_LIVE = 1000 * 1000, SIZE = 4096, REPLACEMENTS = 2048 };

static void *live[MOST_LIVE];
static uint32_t count;

/* Returns a random place below `count`, by a linear congruential generator (D. Knuth, "The Art of Computer
 * Programming", volume 2). The generator starts with a fixed number, so every run gets the same places. */
static uint32_t draw_place(void)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 32) * count >> 32);
}

static void replace_batch(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < REPLACEMENTS; i++) {
        void **place = &live[draw_place()];
        free(*place);
        *place = malloc(SIZE);
        touch_first(*place);
    }
}

void row_live(const char *argument)
{
    char name[32];
    unsigned long wanted = bench_number(argument);
    if (wanted > MOST_LIVE)
        bench_fail("live: too many live buffers");
    count = (uint32_t)wanted;
    for (uint32_t i = 0; i < count; i++) {
        live[i] = malloc(SIZE);
        touch_first(live[i]);
    }
    double cost = clock_steady(replace_batch, NULL, REPLACEMENTS);
    double resident = memory_resident("self");
    snprintf(name, sizeof name, "live.%lu", wanted);
    bench_report(name, cost, "ns");
    snprintf(name, sizeof name, "live.%lu.rss", wanted);
    bench_report(name, resident, "MiB");
}
