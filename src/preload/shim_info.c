/* Replaces glibc's functions that query or tune the allocator. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/bounds.h"
#include "memory/mapped.h"
#include "pool/pool.h"
#include "preload/init.h"
#include "route/fallback.h"
#include "statistics/dump.h"
#include "statistics/snapshot.h"

/*
 * How many bytes one call of malloc_trim gives back to the kernel at most. haproxy calls malloc_trim while all its
 * threads are stopped, and 32 MiB take a few milliseconds.
 */
enum { TRIM_LIMIT = 32 << 20 };

/* Returns how many bytes of retained memory may be given back to the kernel, if `pad` bytes of it are to stay. */
static size_t info_trimmed(size_t pad)
{
    uint64_t retained = pool_retained();
    uint64_t spare = EXCESS(retained, pad);
    return (size_t)LESSER(spare, TRIM_LIMIT);
}

/*
 * Gives free memory back to the kernel, and keeps about `pad` bytes, as glibc's man page says. `pad` counts bytes of
 * free slots here. Returns 1 if memory was given back, and 0 if not. Memory of mimalloc does not count for the result,
 * because mimalloc does not say how much it has given back.
 */
EXPORTED int malloc_trim(size_t pad)
{
    pool_recover_due();
    pool_drain();
    size_t purged = pool_trim(info_trimmed(pad));
    fallback_trim();
    return purged > 0 ? 1 : 0;
}

/*
 * Returns glibc's figures for the pools, in bytes of whole slots, and for blocks that are mapped one by one. Requests
 * that go to mimalloc are not counted, because counting would slow down every small request. haproxy calls malloc(1),
 * which mimalloc serves, and sees that the figures have not changed. So haproxy assumes that the allocator is not
 * glibc's, and does not call malloc_trim.
 */
EXPORTED struct mallinfo2 mallinfo2(void)
{
    struct snapshot snapshot;
    struct mallinfo2 info = {.arena = 0};
    snapshot_take(&snapshot);
    for (unsigned bucket = 0; bucket < snapshot.buckets; bucket++) {
        const struct snapshot_figures *figures = &snapshot.bucket[bucket];
        size_t capacity = init_plan.capacity[bucket];
        size_t free_slots = figures->cached + figures->depot + figures->purged;
        info.arena += figures->carved * capacity;
        info.uordblks += figures->live * capacity;
        info.fordblks += free_slots * capacity;
        info.ordblks += free_slots;
        info.keepcost += figures->depot * capacity;
    }
    struct mapped_sum mapped = mapped_count();
    info.hblks = mapped.blocks;
    info.hblkhd = mapped.bytes;
    return info;
}

static int int_or_most(size_t number)
{
    return (int)LESSER(number, INT_MAX);
}

/* Returns the figures of mallinfo2 as ints. A figure that is too large for an int becomes INT_MAX; in glibc's function
 * it would wrap around. */
EXPORTED struct mallinfo mallinfo(void)
{
    struct mallinfo2 info = mallinfo2();
    return (struct mallinfo){
        .arena = int_or_most(info.arena),
        .ordblks = int_or_most(info.ordblks),
        .hblks = int_or_most(info.hblks),
        .hblkhd = int_or_most(info.hblkhd),
        .uordblks = int_or_most(info.uordblks),
        .fordblks = int_or_most(info.fordblks),
        .keepcost = int_or_most(info.keepcost),
    };
}

static void info_print_figure(const char *name, uint64_t figure, FILE *stream)
{
    if (figure == SNAPSHOT_UNKNOWN) {
        fprintf(stream, " %s=\"unknown\"", name);
    } else {
        fprintf(stream, " %s=\"%lu\"", name, (unsigned long)figure);
    }
}

static void info_print_bucket(const struct snapshot_figures *figures, unsigned bucket, FILE *stream)
{
    fprintf(stream, "<bucket label=\"%s\" capacity=\"%zu\"", init_plan.label[bucket], init_plan.capacity[bucket]);
#define INFO_FIGURE(name, width, type, unit, help) info_print_figure(#name, figures->name, stream);
    SNAPSHOT_ROWS(INFO_FIGURE)
#undef INFO_FIGURE
    fprintf(stream, "/>\n");
}

/* Prints XML, as glibc's function does. Its elements differ from glibc's: there is one for each bucket. */
EXPORTED int malloc_info(int options, FILE *stream)
{
    struct snapshot snapshot;
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    snapshot_take(&snapshot);
    fprintf(stream, "<malloc version=\"sockmalloc-%s\">\n", PACKAGE_VERSION);
    for (unsigned bucket = 0; bucket < snapshot.buckets; bucket++) {
        info_print_bucket(&snapshot.bucket[bucket], bucket, stream);
    }
    fprintf(stream, "</malloc>\n");
    return 0;
}

EXPORTED void malloc_stats(void)
{
    dump_as(STDERR_FILENO, FORMAT_TEXT);
}

/*
 * Accepts every parameter and does nothing, because all of them tune glibc's allocator. If mallopt refused a parameter,
 * programs would report an error.
 */
EXPORTED int mallopt(int parameter, int value)
{
    (void)parameter;
    (void)value;
    return 1;
}
