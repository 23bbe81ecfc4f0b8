/* Measures the row `burst`: how long three waves of allocating and freeing 256 MiB take, and how much memory stays
 * resident afterwards. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * In each of three timed waves, the row allocates and frees 256 MiB. The first wave needs new pages, and the third
 * shows whether the allocator has kept them. During a fourth wave, which is not timed, the row counts the pages that
 * the allocator populated although the program did not write to them. Then the program makes few calls for three
 * seconds, and the row measures how much memory is still resident.
 */
#include "bench.h"
#include "burst.h"
#include "clock.h"
#include "memory.h"
#include "sizes.h"
#include "touch.h"

#include <stdlib.h>
#include <unistd.h>

enum { WAVES = 3 };

static void *pieces[BURST_PIECES];
static struct step steps[STEPS];

static double wave_seconds(void)
{
    int64_t start = clock_busy();
    burst_take(pieces);
    burst_give(pieces);
    return (double)(clock_busy() - start) / 1e9;
}

static double wave_untouched(void)
{
    burst_take(pieces);
    double percent = memory_untouched_percent("self");
    burst_give(pieces);
    return percent;
}

/* Makes light traffic for BURST_AFTER_SECONDS: it pauses after each free, so that time passes with few calls. An
 * allocator should give memory back because time has passed, and not because of many calls. */
static void quiet(void)
{
    int64_t end = clock_wall() + (int64_t)BURST_AFTER_SECONDS * 1000000000;
    for (unsigned i = 0; clock_wall() < end; i++) {
        void *buffer = malloc(steps[i % STEPS].size);
        touch_first(buffer);
        free(buffer);
        usleep(BURST_PAUSE_MICROSECONDS);
    }
}

void row_burst(const char *argument)
{
    (void)argument;
    double seconds[WAVES];
    sizes_mix(steps, 1);
    double before = memory_resident("self");
    for (unsigned i = 0; i < WAVES; i++)
        seconds[i] = wave_seconds();
    double untouched_top = wave_untouched();
    quiet();
    double after = memory_resident("self");
    double untouched_end = memory_untouched_percent("self");
    bench_report("burst.first", seconds[0], "s");
    bench_report("burst.third", seconds[WAVES - 1], "s");
    bench_report("burst.rss", after, "MiB");
    bench_report("burst.left", after - before, "MiB");
    bench_report("burst.untouched.top", untouched_top, "%");
    bench_report("burst.untouched.end", untouched_end, "%");
}
