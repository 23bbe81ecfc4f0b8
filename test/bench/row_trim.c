/* Measures the row `trim`: how long malloc_trim takes to purge blocks that were freed in random order. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* 300 MiB of blocks are written to and freed in random order, all of them or all but every fourth. malloc_trim is then
 * called until it has nothing more to give back. An allocator that keeps the pages has no figure. */
#include "bench.h"
#include "clock.h"
#include "memory.h"
#include "touch.h"

#include <malloc.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MEBIBYTES = 300,
    LEAST = 4, /* the size of the smallest blocks in KiB */
    KEPT = 4,  /* one block in KEPT stays live */
    MOST_TRIMS = 100,
};

static void *block[MEBIBYTES * 1024 / LEAST];

static void shuffle(size_t count)
{
    uint64_t random = 88172645463325252;
    for (size_t i = count - 1; i > 0; i--) {
        random = random * 6364136223846793005 + 1442695040888963407;
        size_t other = (size_t)(random >> 33) % (i + 1);
        void *moved = block[i];
        block[i] = block[other];
        block[other] = moved;
    }
}

/* Allocates and writes to `count` blocks and frees all of them, or all but every fourth. */
static void scatter(size_t count, size_t size, bool keeps)
{
    for (size_t i = 0; i < count; i++) {
        block[i] = malloc(size);
        if (block[i] == NULL)
            bench_fail("trim: malloc");
        touch_pages(block[i], size);
    }
    shuffle(count);
    for (size_t i = 0; i < count; i++) {
        if (!keeps || i % KEPT != 0)
            free(block[i]);
    }
}

/* Returns how many milliseconds malloc_trim took, or NAN if less than half of the free blocks' memory has gone back. */
static double trim(void)
{
    double before = memory_resident("self");
    int64_t start = clock_busy();
    for (unsigned i = 0; i < MOST_TRIMS && malloc_trim(0) != 0; i++)
        continue;
    double milliseconds = (double)(clock_busy() - start) / 1e6;
    return before - memory_resident("self") > MEBIBYTES / 2 ? milliseconds : NAN;
}

void row_trim(const char *argument)
{
    char row[32], name[64];
    size_t kibibytes = bench_number(argument);
    size_t count = (size_t)MEBIBYTES * 1024 / kibibytes;
    bench_size_name(row, sizeof row, "trim", kibibytes);
    scatter(count, kibibytes * 1024, false);
    double all = trim();
    scatter(count, kibibytes * 1024, true);
    double most = trim();
    bench_report(row, all, "ms");
    snprintf(name, sizeof name, "%s.between", row);
    bench_report(name, most, "ms");
}
