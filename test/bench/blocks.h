/* The blocks of the rows `zeroed` and `cleared`: blocks of one size, 64 MiB together. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_BLOCKS_H
#define BENCH_BLOCKS_H

#include "bench.h"

#include <errno.h>
#include <stddef.h>

enum { BLOCKS_BYTES = 64 * 1024 * 1024, BLOCKS_MOST = BLOCKS_BYTES / (4 * 1024) };

/* A row sets the byte at this offset in each page of a block, and afterwards calloc or memset must clear this byte.
 * touch_pages writes to another byte of the page. */
enum { BLOCKS_DIRTY_OFFSET = 8 };

struct blocks {
    size_t size;
    unsigned count;
    char *block[BLOCKS_MOST];
};

/* Sets the size of the blocks to `kibibytes` KiB, and their number so that they are 64 MiB together. Ends the program
 * unless the size is between 4 KiB and 64 MiB. */
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
