/* Measures the rows `grow`: a buffer grows by realloc from 4 KiB on, as a buffer for the body of a request does. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* One operation is the whole growth: a malloc, all reallocs, and a free. For the figure `end` the program writes one
 * byte at the buffer's new end after each realloc, for the figure `all` one byte in each new page. */
#include "bench.h"
#include "clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 4 * 1024, STEP = 16 * 1024, PAGE = 4096 };

static size_t by_quarter(size_t size)
{
    return size + size / 4;
}

static size_t by_half(size_t size)
{
    return size + size / 2;
}

static size_t by_doubling(size_t size)
{
    return size * 2;
}

static size_t by_16k(size_t size)
{
    return size + STEP;
}

static const struct way {
    const char *name;
    size_t (*next)(size_t size);
} ways[] = {{"quarter", by_quarter}, {"half", by_half}, {"double", by_doubling}, {"16k", by_16k}};

/* How a buffer grows: in which steps, up to how many bytes, and how much of the buffer is written to. */
struct growth {
    const struct way *way;
    size_t last;
    bool writes_all;
};

static void write_new(char *buffer, size_t from, size_t to, bool all)
{
    for (size_t at = from; all && at < to; at += PAGE) {
        ((volatile char *)buffer)[at] = 1;
    }
    ((volatile char *)buffer)[to - 1] = 1;
}

static void grow_once(void *state)
{
    const struct growth *growth = state;
    size_t size = FIRST;
    char *buffer = malloc(size);
    write_new(buffer, 0, size, growth->writes_all);
    while (size < growth->last) {
        size_t next = growth->way->next(size);
        next = next < growth->last ? next : growth->last;
        char *grown = realloc(buffer, next);
        if (grown == NULL)
            bench_fail("grow: realloc");
        buffer = grown;
        write_new(buffer, size, next, growth->writes_all);
        size = next;
    }
    free(buffer);
}

static const struct way *find_way(const char *argument, size_t length)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (strlen(ways[i].name) == length && strncmp(ways[i].name, argument, length) == 0)
            return &ways[i];
    errno = EINVAL;
    bench_fail("grow: no such way");
}

/* The argument has the way in which the buffer grows, a dot, and its last size in KiB, such as `quarter.1024`. */
void row_grow(const char *argument)
{
    size_t length = strcspn(argument, ".");
    const struct way *way = find_way(argument, length);
    size_t kibibytes = bench_number(argument + length + (argument[length] == '.'));
    char row[32], name[64];
    bench_size_name(row, sizeof row, way->name, kibibytes);
    for (unsigned all = 0; all < 2; all++) {
        struct growth growth = {way, kibibytes * 1024, all != 0};
        double time = clock_steady(grow_once, &growth, 1) / 1000;
        snprintf(name, sizeof name, "grow.%s.%s", row, all != 0 ? "all" : "end");
        bench_report(name, time, "us");
    }
}
