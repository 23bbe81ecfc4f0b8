/* Measures the rows `great`: blocks of some MiB and more, for each of which most allocators make a mapping. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What one operation is depends on the figure. For `calloc` it is a calloc, one byte written, and a free; for `pair` a
 * malloc, one byte written, and a free. For `resize` it is a malloc of half the size, one byte written in each page, a
 * realloc to the full size, one byte written at the end, and a free.
 */
#include "bench.h"
#include "clock.h"
#include "touch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void zero_once(void *state)
{
    char *block = calloc(1, *(size_t *)state);
    if (block == NULL)
        bench_fail("great: calloc");
    touch_first(block);
    free(block);
}

static void pair_once(void *state)
{
    char *block = malloc(*(size_t *)state);
    if (block == NULL)
        bench_fail("great: malloc");
    touch_first(block);
    free(block);
}

static void resize_once(void *state)
{
    size_t size = *(size_t *)state;
    char *block = malloc(size / 2);
    if (block == NULL)
        bench_fail("great: malloc");
    touch_pages(block, size / 2);
    char *grown = realloc(block, size);
    if (grown == NULL)
        bench_fail("great: realloc");
    ((volatile char *)grown)[size - 1] = 1;
    free(grown);
}

static const struct {
    const char *name;
    void (*once)(void *state);
} operations[] = {{"calloc", zero_once}, {"pair", pair_once}, {"resize", resize_once}};

void row_great(const char *argument)
{
    size_t kibibytes = bench_number(argument);
    size_t size = kibibytes * 1024;
    char row[32], name[64];
    bench_size_name(row, sizeof row, "great", kibibytes);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        double time = clock_steady(operations[i].once, &size, 1) / 1000;
        snprintf(name, sizeof name, "%s.%s", row, operations[i].name);
        bench_report(name, time, "us");
    }
}
