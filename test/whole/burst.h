/* Makes a burst of blocks, most of which are freed, and measures how many of their bytes stay in memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_BURST_H
#define SOCKMALLOC_TEST_BURST_H

#include <stdint.h>

enum {
    BURST_MIB = 1 << 20,
    /*
     * the largest number of bytes in memory once the burst's pages have been purged; before that, 33 MiB are in memory
     */
    BURST_FEW = BURST_MIB / 4,
    /*
     * the largest number of bytes in memory while the thread does not sleep, because the free slots in its magazines
     * then keep their pages
     */
    BURST_FEW_AND_CACHED = 4 * BURST_MIB,
};

/* Allocates and fills 2048 blocks of 16,000 bytes, and frees all but 8 of them. */
void burst_begin(void);

/* Checks that the live blocks of the burst have kept every byte, and frees them. */
void burst_end(void);

/* Returns how many bytes of the mapping that contains the burst's blocks are in memory. */
uint64_t burst_resident(void);

/* Waits until at most `bound` bytes of the burst's mapping are in memory. The thread that purges must be in its wait
 * meanwhile. */
void burst_await(uint64_t bound);

/* Sleeps for `milliseconds`. */
void burst_nap(int milliseconds);

#endif
