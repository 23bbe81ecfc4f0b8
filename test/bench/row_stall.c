/* Measures the row `stall`: how long single calls of malloc and free take while the memory of a burst is given back. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A burst of 256 MiB is freed, and 3 s of traffic follow. The row does this twice. The first time the traffic is light,
 * with a pause after each free; the second time it is busy, with sixteen live buffers and every page written. Each free
 * of the burst, and each malloc and free of the traffic, is timed by itself. Busy traffic makes a few hundred times as
 * many calls as light traffic, so that a percentile over all calls would hide the stalls of light traffic. Light
 * traffic therefore also has a percentile of its own. That is the 99.9th and not the 99.99th, because light traffic has
 * only some five thousand calls.
 *
 * The clock counts the thread's processor time, with its page faults and with a system call that gives a whole burst
 * back. Time in which other programs use the processor does not count: on a busy machine a thread may lose its
 * processor for 4 ms, which is no stall of the allocator and would hide real ones. So the time in which a call sleeps,
 * because another thread holds a lock, does not count either. Among the measured allocators, only one that has a thread
 * of its own could look better by that.
 *
 * Reading the clock takes longer than most calls. So the row measures how long the clock itself takes, by many pairs of
 * readings with nothing in between, and subtracts the median from each time. The row also reports the error of the
 * clock: the 99.99th percentile of these pairs, less their median.
 */
#include "bench.h"
#include "burst.h"
#include "clock.h"
#include "sizes.h"
#include "touch.h"

#include <stdlib.h>
#include <unistd.h>

enum { BINS = 1 << 16, BIN_NANOSECONDS = 100, CLOCK_READINGS = 100000, QUEUE = 16 };

/* A histogram of calls by their duration. The last bin counts all calls that took longer than the other bins reach. */
struct tally {
    uint32_t bin[BINS];
    uint64_t calls;
    int64_t most;
};

static void *pieces[BURST_PIECES];
static struct step steps[STEPS];
static struct tally clock_tally, light_tally, busy_tally, all_tally;
static int64_t clock_cost;

static void tally_since(struct tally *tally, int64_t start)
{
    int64_t elapsed = clock_busy() - start - clock_cost;
    int64_t bin = elapsed > 0 ? elapsed / BIN_NANOSECONDS : 0;
    tally->bin[bin < BINS ? bin : BINS - 1]++;
    tally->calls++;
    if (elapsed > tally->most)
        tally->most = elapsed;
}

/* Returns the duration that the share `share` of the calls has exceeded, in nanoseconds and rounded up to the end of a
 * bin. */
static int64_t tally_exceeded(const struct tally *tally, double share)
{
    uint64_t beyond = (uint64_t)(share * (double)tally->calls);
    int64_t bin = BINS - 1;
    uint64_t seen = tally->bin[bin];
    while (seen <= beyond && bin > 0)
        seen += tally->bin[--bin];
    int64_t end = (bin + 1) * BIN_NANOSECONDS;
    return bin == BINS - 1 || end > tally->most ? tally->most : end;
}

static void tally_add(struct tally *sum, const struct tally *part)
{
    for (unsigned i = 0; i < BINS; i++)
        sum->bin[i] += part->bin[i];
    sum->calls += part->calls;
    sum->most = part->most > sum->most ? part->most : sum->most;
}

static void *take(struct tally *tally, size_t size)
{
    int64_t start = clock_busy();
    void *buffer = malloc(size);
    tally_since(tally, start);
    return buffer;
}

static void give(struct tally *tally, void *buffer)
{
    int64_t start = clock_busy();
    free(buffer);
    tally_since(tally, start);
}

static void measure_clock(void)
{
    for (unsigned i = 0; i < CLOCK_READINGS; i++)
        tally_since(&clock_tally, clock_busy());
    clock_cost = tally_exceeded(&clock_tally, 0.5);
}

static void burst(struct tally *tally)
{
    burst_take(pieces);
    for (unsigned i = 0; i < BURST_PIECES; i++)
        give(tally, pieces[i]);
}

static void light(struct tally *tally)
{
    int64_t end = clock_wall() + (int64_t)BURST_AFTER_SECONDS * 1000000000;
    for (unsigned i = 0; clock_wall() < end; i++) {
        void *buffer = take(tally, steps[i % STEPS].size);
        touch_first(buffer);
        give(tally, buffer);
        usleep(BURST_PAUSE_MICROSECONDS);
    }
}

static void busy(struct tally *tally)
{
    void *live[QUEUE] = {NULL};
    int64_t end = clock_wall() + (int64_t)BURST_AFTER_SECONDS * 1000000000;
    for (unsigned i = 0; clock_wall() < end; i++) {
        void **oldest = &live[i % QUEUE];
        size_t size = steps[i % STEPS].size;
        give(tally, *oldest);
        *oldest = take(tally, size);
        touch_pages(*oldest, size);
    }
    for (unsigned i = 0; i < QUEUE; i++)
        free(live[i]);
}

static void report(const char *name, int64_t nanoseconds)
{
    bench_report(name, (double)nanoseconds / 1000, "us");
}

void row_stall(const char *argument)
{
    (void)argument;
    sizes_mix(steps, 1);
    measure_clock();
    burst(&light_tally);
    light(&light_tally);
    burst(&busy_tally);
    busy(&busy_tally);
    tally_add(&all_tally, &light_tally);
    tally_add(&all_tally, &busy_tally);
    report("stall.p9999", tally_exceeded(&all_tally, 1e-4));
    report("stall.light.p999", tally_exceeded(&light_tally, 1e-3));
    report("stall.light.most", light_tally.most);
    report("stall.busy.most", busy_tally.most);
    report("stall.clock.p9999", tally_exceeded(&clock_tally, 1e-4) - clock_cost);
}
