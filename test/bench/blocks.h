/* The blocks of the rows `zeroed` and `cleared`: 64 MiB of blocks of one size. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_BLOCKS_H
#define BENCH_BLOCKS_H

#include "bench.h"

#include <errno.h>
#include <stddef.h>

enum { BLOCKS_BYTES = 64 * 1024 * 1024, BLOCKS_MOST = BLOCKS_BYTES / (4 * 1024) };

/* The offset in each page of a byte that is set before a block is freed, and must be zero when calloc returns the block
 * again. touch_pages writes to another byte. */
enum { BLOCKS_DIRTY_OFFSET = 8 };

struct blocks {
    size_t size;
    unsigned count;
    char *block[BLOCKS_MOST];
};

/* Sets the size of the blocks, and their number so that they are 64 MiB together. Ends the program unless the size is
 * between 4 KiB and 64 MiB. */
static inline void blocks_choose(struct blocks *blocks, size_t kibibytes)
{
    blocks->size = kibibytes * 1024;
    blocks->count = (unsigned)(BLOCKS_BYTES / blocks->size);
    if (blocks->count == 0 || blocks->count > BLOCKS_MOST) {
        errno = EINVAL;
        bench_fail("blocks are of 4 KiB to 64 MiB");
    }
}

#endif
