/* Measures the row `fresh`: malloc of new blocks that the program does not touch. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* One operation is a malloc of a block that stays live and is not written to, like a server's buffer for a silent
 * connection. The process allocates 20,000 such blocks, and has had no block before. */
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
        block[i] = row; /* this write maps the pages of the array before the clock is read */
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
