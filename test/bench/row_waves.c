/* Measures the row `waves`: what it costs when the load reaches the same peak in every period. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * In each wave the row allocates 64 MiB in blocks of one size or of mixed sizes, writes to each page, and frees the
 * blocks in the order in which they were allocated. Then it waits in poll until the period ends, as a server waits for
 * events. An allocator that keeps the pages until the next wave needs no new ones. The row measures the processor time
 * and the new pages of each wave, from the fourth wave on, because an allocator may have learnt the period by then. The
 * time is that of all threads of the process, during the wait too. A page also counts as new if the allocator populates
 * it by a system call before it is touched. After the last wait the row reads how much memory is resident.
 */
#include "bench.h"
#include "clock.h"
#include "memory.h"
#include "touch.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    WAVE_MEBIBYTES = 64,
    LEARNT = 3,   /* this number of waves at the beginning is not measured, so that an allocator can learn the period */
    WAVES = 6,    /* how many waves are measured */
    SMALLEST = 4, /* the size of the smallest blocks in KiB */
    MIXED = 0,    /* is used in place of a size: the sizes are then 4, 16, 64 and 256 KiB in turn */
    NANOSECONDS_A_MILLISECOND = 1000000,
};

static void *blocks[WAVE_MEBIBYTES * 1024 / SMALLEST];

static size_t size_of(size_t kibibytes, size_t index)
{
    return (kibibytes != MIXED ? kibibytes : (size_t)4 << 2 * (index % 4)) * 1024;
}

static void wave(size_t kibibytes)
{
    size_t count = 0;
    for (size_t left = (size_t)WAVE_MEBIBYTES << 20; left >= size_of(kibibytes, count); count++) {
        size_t size = size_of(kibibytes, count);
        left -= size;
        blocks[count] = malloc(size);
        if (blocks[count] == NULL)
            bench_fail("waves: malloc");
        touch_pages(blocks[count], size);
    }
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
}

static void wait_until(int64_t end)
{
    for (int64_t left; (left = end - clock_wall()) > 0;) {
        int milliseconds = (int)((left + NANOSECONDS_A_MILLISECOND - 1) / NANOSECONDS_A_MILLISECOND);
        if (poll(NULL, 0, milliseconds) < 0 && errno != EINTR)
            bench_fail("waves: poll");
    }
}

static long new_pages(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

/* Runs `count` waves with blocks of `kibibytes` KiB, or of mixed sizes if it is MIXED. Each wave begins `period`
 * nanoseconds after the one before. */
static void waves(unsigned count, int64_t period, size_t kibibytes)
{
    for (int64_t start = clock_wall(); count-- > 0; start += period) {
        wave(kibibytes);
        wait_until(start + period);
    }
}

void row_waves(const char *argument)
{
    unsigned milliseconds, kibibytes;
    char name[64];
    if (sscanf(argument, "%u.%u", &milliseconds, &kibibytes) != 2 || milliseconds == 0 ||
        (kibibytes != MIXED && kibibytes < SMALLEST)) {
        errno = EINVAL;
        bench_fail(argument);
    }
    int64_t period = (int64_t)milliseconds * NANOSECONDS_A_MILLISECOND;
    waves(LEARNT, period, kibibytes);
    long pages = new_pages();
    int64_t busy = clock_read(CLOCK_PROCESS_CPUTIME_ID);
    waves(WAVES, period, kibibytes);
    busy = clock_read(CLOCK_PROCESS_CPUTIME_ID) - busy;
    pages = new_pages() - pages;
    double left = memory_resident("self");
    int length = snprintf(name, sizeof name, "waves.%ums.", milliseconds);
    snprintf(name + length, sizeof name - (size_t)length, kibibytes != MIXED ? "%uk" : "mix", kibibytes);
    bench_report(name, (double)busy / WAVES / 1e6, "ms");
    char figure[80];
    snprintf(figure, sizeof figure, "%s.pages", name);
    bench_report(figure, (double)pages / WAVES, "pages");
    snprintf(figure, sizeof figure, "%s.left", name);
    bench_report(figure, left, "MiB");
}
