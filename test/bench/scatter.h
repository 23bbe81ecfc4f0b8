/* The blocks of the rows `trim` and `idle`: 300 MiB of blocks of one size, which are freed in random order. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_SCATTER_H
#define BENCH_SCATTER_H

#include "bench.h"
#include "touch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    SCATTER_MEBIBYTES = 300,
    SCATTER_LEAST = 4, /* the size of the smallest blocks in KiB */
    SCATTER_KEPT = 4,  /* one block in SCATTER_KEPT may stay live */
    SCATTER_BLOCKS = SCATTER_MEBIBYTES * 1024 / SCATTER_LEAST,
};

/* Returns a random number below `limit`, and advances the generator's state. */
static inline uint64_t scatter_random(uint64_t *state, uint64_t limit)
{
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return (*state >> 33) % limit;
}

/* Allocates `count` blocks of `size` bytes, writes to them, and frees them in random order: all of them or, with
 * `keeps`, all but every SCATTER_KEPT-th block of the array. */
static inline void scatter(void **block, size_t count, size_t size, bool keeps)
{
    uint64_t state = 88172645463325252;
    for (size_t i = 0; i < count; i++) {
        block[i] = malloc(size);
        if (block[i] == NULL)
            bench_fail("malloc");
        touch_pages(block[i], size);
    }
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = (size_t)scatter_random(&state, i + 1);
        void *moved = block[i];
        block[i] = block[other];
        block[other] = moved;
    }
    for (size_t i = 0; i < count; i++) {
        if (!keeps || i % SCATTER_KEPT != 0)
            free(block[i]);
    }
}

#endif
