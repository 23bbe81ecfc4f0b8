/* The burst of the rows `burst` and `stall`: 256 MiB are allocated in pieces and freed, and traffic follows. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_BURST_H
#define BENCH_BURST_H

#include <stdlib.h>
#include <string.h>

enum { BURST_PIECE = 64 * 1024, BURST_PIECES = 4096 };

/*
 * After the burst, requests go on for BURST_AFTER_SECONDS. In light traffic the program pauses BURST_PAUSE_MICROSECONDS
 * after each free. Light traffic still makes a few hundred calls a second, enough for an allocator that gives memory
 * back to the kernel only while malloc or free runs.
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
