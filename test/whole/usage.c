/* Allocates blocks of every bucket and of sizes outside the pools, checks their content, and frees them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "usage.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

/* A round allocates BLOCKS blocks: one for each bucket, one that is too small for the pools, and one that is too large.
 * A block comes from calloc only if it has at most ZEROED_MAX bytes, because checking each byte takes time. */
enum { BLOCKS = POOLS_BUCKETS + 2, ZEROED_MAX = 70000 };

/* Returns the size in bytes of block number i of a round. */
static size_t block_size(unsigned i)
{
    return i < POOLS_BUCKETS ? pools_largest(i) : i == POOLS_BUCKETS ? 100 : 5000000;
}

static char *take_block(unsigned i, bool zeroed)
{
    size_t size = block_size(i);
    zeroed = zeroed && size <= ZEROED_MAX;
    char *block = zeroed ? calloc(1, size) : malloc(size);
    CHECK(block != NULL);
    CHECK(!zeroed || (block[0] == 0 && memcmp(block, block + 1, size - 1) == 0));
    return block;
}

void use_everything(void)
{
    enum { ROUNDS = 3 };
    char *blocks[ROUNDS][BLOCKS];
    uint64_t live = pools_figure("live");
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[round][i] = take_block(i, round % 2 == 0);
            blocks[round][i][0] = (char)(round + 1);
            blocks[round][i][block_size(i) - 1] = (char)i;
        }
    }
    CHECK_EQUAL(pools_figure("live"), live + ROUNDS * POOLS_BUCKETS);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            CHECK(blocks[round][i][0] == (char)(round + 1));
            CHECK(blocks[round][i][block_size(i) - 1] == (char)i);
            free(blocks[round][i]);
        }
    }
    CHECK_EQUAL(pools_figure("live"), live);
    pools_check_ledger();
}
