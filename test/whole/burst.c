/* Makes a burst of blocks, frees most of them, and measures how many bytes of the burst are still resident. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "burst.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "smaps.h"

enum {
    BLOCKS = 2048,
    SIZE = 16000,
    KEPT = 256, /* one of every KEPT blocks stays live: 8 in the whole burst */
    PRIME = 251,
    LOOK_EVERY = 2,      /* in milliseconds */
    LONG_ENOUGH = 20000, /* time limit of burst_await, in milliseconds; no wait of a case takes so long */
};

static char *blocks[BLOCKS];
static uint64_t filled; /* what burst_resident returned when all blocks were filled and none was freed */

void burst_begin(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], (int)(i % PRIME), SIZE);
    }
    filled = burst_resident();
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (i % KEPT != 0) {
            free(blocks[i]);
        }
    }
}

void burst_end(void)
{
    for (unsigned i = 0; i < BLOCKS; i += KEPT) {
        for (unsigned at = 0; at < SIZE; at++) {
            CHECK_EQUAL(blocks[i][at], (char)(i % PRIME));
        }
        free(blocks[i]);
    }
}

uint64_t burst_resident(void)
{
    return smaps_figure(blocks[0], "Rss");
}

void burst_nap(int milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

void burst_await_first_purge(void)
{
    while (burst_resident() + BURST_FEW > filled) {
    }
}

void burst_await(uint64_t bound)
{
    for (int tries = 0; burst_resident() > bound; tries++) {
        CHECK(tries < LONG_ENOUGH / LOOK_EVERY);
        burst_nap(LOOK_EVERY);
    }
}
