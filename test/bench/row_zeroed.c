/* The row `zeroed`: calloc, and then every page of the block is written. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* One operation is a calloc and one byte written in each page, of 64 MiB of blocks that are all live at once: fresh
 * when the process has had no block before, reused when the blocks were written to and freed, purged when after that
 * malloc_trim was called until it had no more to give. Frees and trims are not timed. An allocator that keeps the pages
 * over malloc_trim has no purged blocks: for it the figure is that there is none, since clearing memory that is there
 * and getting new memory from the kernel are not the same work. */
#include "bench.h"
#include "blocks.h"
#include "clock.h"
#include "memory.h"
#include "touch.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PASSES = 3,
    MOST_TRIMS = 16, /* glibc's says each time that it gave something back */
};

static struct blocks blocks;

/* Returns nanoseconds. */
static int64_t take(void)
{
    int64_t start = clock_busy();
    for (unsigned i = 0; i < blocks.count; i++) {
        blocks.block[i] = calloc(1, blocks.size);
        touch_pages(blocks.block[i], blocks.size);
    }
    return clock_busy() - start;
}

/* Leaves something in every page for the next calloc to clear, and makes sure that the last one
 * did: a row that did not look would like an allocator best that forgets to. */
static void give(void)
{
    for (unsigned i = 0; i < blocks.count; i++) {
        char *block = blocks.block[i];
        for (size_t offset = BLOCKS_DIRTY_OFFSET; offset < blocks.size; offset += PAGE) {
            if (block[offset] != 0) {
                errno = EINVAL;
                bench_fail("zeroed: calloc gave a block that is not zero");
            }
            ((volatile char *)block)[offset] = 1;
        }
        free(block);
    }
}

/* Whether at least half of it went back. Half, since a thread may keep its own cache. */
static bool give_back(void)
{
    double before = memory_resident("self");
    give();
    for (unsigned i = 0; i < MOST_TRIMS && malloc_trim(0) != 0; i++)
        continue;
    return before - memory_resident("self") > BLOCKS_BYTES / (1024 * 1024) / 2;
}

static void report(size_t kibibytes, const char *slots, double nanoseconds)
{
    char row[32], name[64];
    bench_size_name(row, sizeof row, "zeroed", kibibytes);
    snprintf(name, sizeof name, "%s.%s", row, slots);
    bench_report(name, nanoseconds / blocks.count / 1000, "us");
}

void row_zeroed(const char *argument)
{
    size_t kibibytes = bench_number(argument);
    int64_t reused = 0, purged = 0;
    bool gave_back = true;
    blocks_choose(&blocks, kibibytes);
    int64_t fresh = take();
    for (unsigned i = 0; i < PASSES; i++) {
        give();
        reused += take();
    }
    for (unsigned i = 0; i < PASSES; i++) {
        gave_back = give_back() && gave_back;
        purged += take();
    }
    report(kibibytes, "fresh", (double)fresh);
    report(kibibytes, "purged", gave_back ? (double)purged / PASSES : NAN);
    report(kibibytes, "reused", (double)reused / PASSES);
}
