/* Measures the row `filled`: a file is read again and again into buffers of 256 MiB together. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation is a malloc, a read of the whole buffer from a file in memory, and the free, which comes when all
 * buffers have been filled. So a buffer is no longer in the processor's nearer caches when it is allocated again. In
 * the variant `later` all buffers are allocated before the first one is filled. The first pass over the buffers, which
 * maps their pages, is not timed.
 */
#include "bench.h"
#include "clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BYTES = 256 * 1024 * 1024, MOST_BUFFERS = BYTES / (4 * 1024), PASSES = 6 };

static char *buffers[MOST_BUFFERS];

/* Opens a file of `size` bytes that is only in memory and not on a disk, and whose pages are populated. */
static int open_source(size_t size)
{
    char *content = malloc(size);
    int source = memfd_create("filled", MFD_CLOEXEC);
    if (content == NULL || source < 0)
        bench_fail("filled: a file in memory");
    memset(content, 1, size);
    if (write(source, content, size) != (ssize_t)size)
        bench_fail("filled: write");
    free(content);
    return source;
}

static void fill(int source, char *buffer, size_t size)
{
    if (pread(source, buffer, size, 0) != (ssize_t)size)
        bench_fail("filled: read");
}

/* Runs one pass over all buffers, and returns how many nanoseconds it took. With `later`, allocates all buffers before
 * it reads into the first. */
static int64_t pass(int source, size_t size, bool later)
{
    size_t count = BYTES / size;
    int64_t start = clock_busy();
    for (size_t i = 0; i < count; i++) {
        buffers[i] = malloc(size);
        if (!later)
            fill(source, buffers[i], size);
    }
    for (size_t i = 0; later && i < count; i++)
        fill(source, buffers[i], size);
    for (size_t i = 0; i < count; i++)
        free(buffers[i]);
    return clock_busy() - start;
}

static double measure(int source, size_t size, bool later)
{
    int64_t sum = 0;
    pass(source, size, later);
    for (unsigned i = 0; i < PASSES; i++)
        sum += pass(source, size, later);
    return (double)sum / PASSES / (double)(BYTES / size) / 1000;
}

void row_filled(const char *argument)
{
    size_t kibibytes = bench_number(argument);
    size_t size = kibibytes * 1024;
    char row[32], name[64];
    if (BYTES / size > MOST_BUFFERS || BYTES / size == 0) {
        errno = EINVAL;
        bench_fail("filled: buffers are of 4 KiB to 256 MiB");
    }
    int source = open_source(size);
    double at_once = measure(source, size, false);
    double later = measure(source, size, true);
    close(source);
    bench_size_name(row, sizeof row, "filled", kibibytes);
    bench_report(row, at_once, "us");
    snprintf(name, sizeof name, "%s.later", row);
    bench_report(name, later, "us");
}
