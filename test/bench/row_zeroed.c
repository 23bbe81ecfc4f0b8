/* Measures the row `zeroed`: how long calloc takes, with one byte written in each page of the block. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One operation is a calloc, and one byte written in each page. 64 MiB of blocks are live at once. The blocks are
 * `fresh` if the process has had no block before, `reused` if the process has written to them and freed them, and
 * `purged` if it then called malloc_trim until malloc_trim gave nothing more back to the kernel. Frees and trims are
 * not timed. If an allocator keeps the pages in spite of malloc_trim, it has no figure for `purged`, because it would
 * clear memory instead of getting new memory from the kernel.
 */
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
    /* the most calls of malloc_trim one after the other; a limit is needed, because glibc's malloc_trim returns 1
     * whenever it has given something back */
    MOST_TRIMS = 16,
};

static struct blocks blocks;

/* Allocates all blocks by calloc, and writes one byte in each page. Returns how many nanoseconds that took. */
static int64_t take(void)
{
    int64_t start = clock_busy();
    for (unsigned i = 0; i < blocks.count; i++) {
        blocks.block[i] = calloc(1, blocks.size);
        touch_pages(blocks.block[i], blocks.size);
    }
    return clock_busy() - start;
}

/*
 * Writes to each page of all blocks and frees them, so that the next calloc has to clear them. Checks first that calloc
 * has cleared the byte at BLOCKS_DIRTY_OFFSET of each page, because an allocator that does not clear would seem to be
 * the fastest.
 */
static void give(void)
{
    for (unsigned i = 0; i < blocks.count; i++) {
        char *block = blocks.block[i];
        for (size_t offset = BLOCKS_DIRTY_OFFSET; offset < blocks.size; offset += PAGE) {
            if (block[offset] != 0) {
                errno = EINVAL;
                bench_fail("zeroed: calloc returned a block that is not zero");
            }
            ((volatile char *)block)[offset] = 1;
        }
        free(block);
    }
}

/* Frees all blocks and calls malloc_trim. Returns true if the kernel got at least half of the memory back; a thread's
 * cache may keep the rest. */
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
