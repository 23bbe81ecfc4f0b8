/* Measures the row `trim`: how long malloc_trim takes to give back the memory of blocks that were freed in random
 * order. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The row writes to 300 MiB of blocks and frees them in random order, all of them or all but every fourth. Then it
 * calls malloc_trim until malloc_trim gives nothing more back to the kernel. If the allocator keeps the pages, the row
 * has no figure for it.
 */
#include "bench.h"
#include "clock.h"
#include "memory.h"
#include "scatter.h"

#include <malloc.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MOST_TRIMS = 100,
};

static void *block[SCATTER_BLOCKS];

/* Calls malloc_trim until malloc_trim gives nothing more back to the kernel. Returns how many milliseconds that took,
 * or NAN if less than half of the free blocks' memory was given back. */
static double trim(void)
{
    double before = memory_resident("self");
    int64_t start = clock_busy();
    for (unsigned i = 0; i < MOST_TRIMS && malloc_trim(0) != 0; i++)
        continue;
    double milliseconds = (double)(clock_busy() - start) / 1e6;
    return before - memory_resident("self") > SCATTER_MEBIBYTES / 2 ? milliseconds : NAN;
}

void row_trim(const char *argument)
{
    char row[32], name[64];
    size_t kibibytes = bench_number(argument);
    size_t count = (size_t)SCATTER_MEBIBYTES * 1024 / kibibytes;
    bench_size_name(row, sizeof row, "trim", kibibytes);
    scatter(block, count, kibibytes * 1024, false);
    double all = trim();
    scatter(block, count, kibibytes * 1024, true);
    double most = trim();
    bench_report(row, all, "ms");
    snprintf(name, sizeof name, "%s.between", row);
    bench_report(name, most, "ms");
}
