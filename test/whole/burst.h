/* Makes a burst of blocks, frees most of them, and measures how many bytes of the burst are still resident. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_BURST_H
#define SOCKMALLOC_TEST_BURST_H

#include <stdint.h>

enum {
    BURST_MIB = 1 << 20,
    /*
     * at most this many bytes of the burst may be resident after its pages were purged; before that, about 32 MiB
     * are resident
     */
    BURST_FEW = BURST_MIB / 4,
    /*
     * At most this many bytes of the burst may be resident while the thread that has freed the blocks does not sleep.
     * The limit is higher than BURST_FEW, because free slots in this thread's magazines are not purged then.
     */
    BURST_FEW_AND_CACHED = 4 * BURST_MIB,
};

/* Allocates and fills 2048 blocks of 16,000 bytes, and frees all but 8 of them. */
void burst_begin(void);

/* Checks that the live blocks of the burst have kept every byte, and frees them. */
void burst_end(void);

/* Returns how many bytes of the mapping that contains the burst's blocks are in memory. */
uint64_t burst_resident(void);

/*
 * Returns when at most `bound` bytes of the burst's mapping are resident. Meanwhile another thread must wait in a call
 * in which the library purges free memory.
 */
void burst_await(uint64_t bound);

/* Returns when the library has purged a few pages of the freed blocks, or more if this thread runs late. Does not sleep
 * between two looks, so that the library is probably still purging the rest. */
void burst_await_first_purge(void);

/* Sleeps for `milliseconds`. */
void burst_nap(int milliseconds);

#endif
