/* The burst of the rows `burst` and `stall`: 256 MiB in pieces, and the light traffic that follows. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_BURST_H
#define BENCH_BURST_H

#include <stdlib.h>
#include <string.h>

enum { BURST_PIECE = 64 * 1024, BURST_PIECES = 4096 };

/*
 * After the burst the traffic goes on for BURST_AFTER_SECONDS. Light traffic makes a pause of BURST_PAUSE_MICROSECONDS
 * after each free, which is a few hundred requests a second: enough for an allocator that gives memory back only while
 * malloc or free runs.
 */
enum { BURST_AFTER_SECONDS = 3, BURST_PAUSE_MICROSECONDS = 5000 };

static inline void burst_take(void *pieces[BURST_PIECES])
{
    for (unsigned i = 0; i < BURST_PIECES; i++) {
        pieces[i] = malloc(BURST_PIECE);
        memset(pieces[i], 1, BURST_PIECE);
    }
}

static inline void burst_give(void *pieces[BURST_PIECES])
{
    for (unsigned i = 0; i < BURST_PIECES; i++)
        free(pieces[i]);
}

#endif
