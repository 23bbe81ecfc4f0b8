/* The row `burst`: 256 MiB come three times; how long it takes, and what is left of it. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The first wave pays for new pages, the third shows whether they were kept. After it the program
 * goes on with little to do for three seconds, then looks at what it still holds.
 */
#include "bench.h"
#include "clock.h"
#include "sizes.h"
#include "touch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PIECE = 64 * 1024,
    PIECES = 4096,
    WAVES = 3,
    QUIET_SECONDS = 3,
    QUIET_PAUSE_MICROSECONDS = 5000
};

static void *pieces[PIECES];
static struct step steps[STEPS];

static double wave_seconds(void)
{
    int64_t start = clock_busy();
    for (unsigned i = 0; i < PIECES; i++) {
        pieces[i] = malloc(PIECE);
        memset(pieces[i], 1, PIECE);
    }
    for (unsigned i = 0; i < PIECES; i++)
        free(pieces[i]);
    return (double)(clock_busy() - start) / 1e9;
}

/* A few hundred requests a second: enough for an allocator that gives memory back when it is
 * called. The time is what is measured here, hence the pause. */
static void quiet(void)
{
    int64_t end = clock_wall() + (int64_t)QUIET_SECONDS * 1000000000;
    for (unsigned i = 0; clock_wall() < end; i++) {
        void *buffer = malloc(steps[i % STEPS].size);
        touch_first(buffer);
        free(buffer);
        usleep(QUIET_PAUSE_MICROSECONDS);
    }
}

static double resident_mebibytes(void)
{
    unsigned long pages, resident;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%lu %lu", &pages, &resident) != 2)
        bench_fail("/proc/self/statm");
    fclose(statm);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

void row_burst(const char *argument)
{
    (void)argument;
    double seconds[WAVES];
    sizes_mix(steps, 1);
    for (unsigned i = 0; i < WAVES; i++)
        seconds[i] = wave_seconds();
    quiet();
    bench_report("burst.first", seconds[0], "s");
    bench_report("burst.third", seconds[WAVES - 1], "s");
    bench_report("burst.rss", resident_mebibytes(), "MiB");
}
