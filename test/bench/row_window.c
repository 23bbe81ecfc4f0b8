/* Measures the rows `window` and `small`: many buffers are live, and random ones of them are replaced. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation replaces one buffer: a free, a malloc, and one byte written. The memory is measured at the end, when
 * all buffers are live. The row `small` has sizes below those of the pools, so it shows what it costs to pass a request
 * on to mimalloc.
 */
#include "bench.h"
#include "clock.h"
#include "memory.h"
#include "sizes.h"
#include "touch.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_LIVE = 4096, SMALL_LIVE = 1024, REPLACEMENTS = 2048 };

struct window {
    void *live[MOST_LIVE];
    unsigned next;
};

static struct step steps[STEPS];
static struct window window;

static void replace_batch(void *state)
{
    struct window *w = state;
    for (unsigned i = 0; i < REPLACEMENTS; i++) {
        const struct step *step = &steps[w->next++ % STEPS];
        void **place = &w->live[step->place];
        free(*place);
        *place = malloc(step->size);
        touch_first(*place);
    }
}

static double replace_measure(unsigned live)
{
    for (unsigned i = 0; i < live; i++) {
        window.live[i] = malloc(steps[i % STEPS].size);
        touch_first(window.live[i]);
    }
    return clock_steady(replace_batch, &window, REPLACEMENTS);
}

void row_window(const char *argument)
{
    char name[32];
    unsigned long live = bench_number(argument);
    if (live > MOST_LIVE)
        bench_fail("window: too many live buffers");
    sizes_mix(steps, (unsigned)live);
    double cost = replace_measure((unsigned)live);
    double resident = memory_resident("self");
    double untouched = memory_untouched_percent("self");
    snprintf(name, sizeof name, "window.%lu", live);
    bench_report(name, cost, "ns");
    snprintf(name, sizeof name, "window.%lu.rss", live);
    bench_report(name, resident, "MiB");
    snprintf(name, sizeof name, "window.%lu.untouched", live);
    bench_report(name, untouched, "%");
}

void row_small(const char *argument)
{
    (void)argument;
    sizes_small(steps, SMALL_LIVE);
    bench_report("small", replace_measure(SMALL_LIVE), "ns");
}
