/* Measures the row `cleared`: how long memset takes to clear blocks, in two orders and without an allocator. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * This row measures what the row `zeroed` would cost for reused blocks if the allocator itself took no time. The blocks
 * are written to one after the other, and then cleared by memset in one of two orders: the reverse order, in which a
 * stack would return them, or the same order, in which a queue would. One operation is a memset, and one byte written
 * in each page. Figures of different allocators differ only by noise.
 */
#include "bench.h"
#include "blocks.h"
#include "clock.h"
#include "touch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PASSES = 6 };

static struct blocks cleared;

static void turn_round(void)
{
    for (unsigned i = 0; i < cleared.count / 2; i++) {
        char *first = cleared.block[i];
        cleared.block[i] = cleared.block[cleared.count - 1 - i];
        cleared.block[cleared.count - 1 - i] = first;
    }
}

static void use(void)
{
    for (unsigned i = 0; i < cleared.count; i++)
        for (size_t offset = BLOCKS_DIRTY_OFFSET; offset < cleared.size; offset += PAGE)
            ((volatile char *)cleared.block[i])[offset] = 1;
}

/* Clears all blocks by memset, and writes one byte in each page. Returns how many nanoseconds that took. */
static int64_t clear(void)
{
    int64_t start = clock_busy();
    for (unsigned i = 0; i < cleared.count; i++) {
        memset(cleared.block[i], 0, cleared.size);
        touch_pages(cleared.block[i], cleared.size);
    }
    return clock_busy() - start;
}

/* Runs passes over the blocks. The first two are a warm-up and are not timed; the first of them maps the pages. */
static void measure(const char *row, const char *order, bool is_stack)
{
    int64_t sum = 0;
    char name[64];
    for (unsigned pass = 0; pass < PASSES; pass++) {
        use();
        if (is_stack)
            turn_round();
        int64_t taken = clear();
        sum += pass < 2 ? 0 : taken;
    }
    snprintf(name, sizeof name, "%s.%s", row, order);
    bench_report(name, (double)sum / (PASSES - 2) / cleared.count / 1000, "us");
}

void row_cleared(const char *argument)
{
    size_t kibibytes = bench_number(argument);
    char row[32];
    blocks_choose(&cleared, kibibytes);
    /* the distance between the starts of two blocks is the size of a block plus one page, as in the library's pools,
     * where each slot has a page more than its bucket's size (the headroom) */
    size_t stride = cleared.size + PAGE;
    char *start = mmap(NULL, stride * cleared.count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        bench_fail("cleared: mmap");
    for (unsigned i = 0; i < cleared.count; i++)
        cleared.block[i] = start + i * stride;
    bench_size_name(row, sizeof row, "cleared", kibibytes);
    measure(row, "stack", true);
    measure(row, "queue", false);
}
