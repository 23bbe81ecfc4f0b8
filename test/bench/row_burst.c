/* The row `burst`: 256 MiB come three times; how long it takes, and what is left of it. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* The first wave pays for new pages, the third shows whether they were kept. A fourth, which is not timed, is looked at
 * while all of it is there: what is populated beyond what was asked for. Then the program goes on with little to do for
 * three seconds, and looks at what it still holds. */
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

/* The time is what is measured here, hence the pause. */
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
