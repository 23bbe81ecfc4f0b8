/* Measures the row `fresh`: how long malloc takes for new blocks that the program does not touch. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation is a malloc of a block that stays live and is not written to, like a server's buffer for a connection
 * on which nothing comes. The process allocates 20,000 such blocks, and has freed no block before, so that each is new.
 */
#include "bench.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { FRESH = 20000 };

static void *block[FRESH];

void row_fresh(const char *argument)
{
    char row[32];
    size_t kibibytes = bench_number(argument);
    for (unsigned i = 0; i < FRESH; i++)
        /* this write maps the pages of the array of addresses before the clock is read, so that no page fault of the
         * array is timed */
        block[i] = row;
    int64_t start = clock_busy();
    for (unsigned i = 0; i < FRESH; i++) {
        block[i] = malloc(kibibytes * 1024);
        if (block[i] == NULL)
            bench_fail("fresh: malloc");
    }
    double nanoseconds = (double)(clock_busy() - start);
    bench_size_name(row, sizeof row, "fresh", kibibytes);
    bench_report(row, nanoseconds / FRESH / 1000, "us");
}
