/* These cases test that calloc writes nothing to pages that read as zero anyway, and clears all other pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "check.h"
#include "pools.h"

/* The cases use BLOCKS blocks of 1 MiB, all in bucket number BUCKET. The library may make the first AHEAD pages of a
 * new block resident before the program writes to the block. */
enum { BUCKET = 8, SIZE = 1 << 20, BLOCKS = 64, PAGE = 4096, AHEAD = 16 };

static bool is_zero(const char *block, size_t size)
{
    return block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
}

/* Returns how many bytes of live blocks in the bucket BUCKET are resident. */
static uint64_t resident(void)
{
    return pools_bucket_figure(BUCKET, "resident_live");
}

static long faults(void)
{
    struct rusage usage;
    CHECK_EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

static char *blocks[BLOCKS];

/* Allocates all blocks by calloc and writes nothing to them. Checks that none of their pages is resident but those that
 * the library makes resident in advance, and that calloc has caused few page faults. */
static void take_untouched(void)
{
    long before = faults();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = calloc(1, SIZE);
        CHECK(pools_own(blocks[i]));
    }
    CHECK(faults() - before < BLOCKS * SIZE / PAGE / 2);
    CHECK(resident() <= (uint64_t)BLOCKS * AHEAD * PAGE);
}

static void check_all_zero(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(is_zero(blocks[i], SIZE));
    }
}

/* Writes to every byte of all blocks, and then frees them. */
static void give_dirty(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        memset(blocks[i], 0xff, SIZE);
    }
    CHECK_EQUAL(resident(), (uint64_t)BLOCKS * SIZE);
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
}

CASE(fresh_pages_are_left_alone)
{
    take_untouched();
    CHECK_EQUAL(pools_bucket_figure(BUCKET, "carved"), BLOCKS);
    check_all_zero();
}

CASE(purged_pages_are_left_alone)
{
    take_untouched();
    give_dirty();
    while (malloc_trim(0) == 1) {
    }
    CHECK_EQUAL(pools_bucket_figure(BUCKET, "purged"), BLOCKS);
    take_untouched();
    CHECK_EQUAL(pools_bucket_figure(BUCKET, "carved"), BLOCKS);
    CHECK_EQUAL(pools_bucket_figure(BUCKET, "purged"), 0);
    check_all_zero();
}

/*
 * The slots that calloc reuses here were written to before they were freed, and their pages stay resident. So calloc
 * must clear them.
 */
CASE(reused_pages_are_cleared)
{
    take_untouched();
    give_dirty();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = calloc(1, SIZE);
    }
    CHECK_EQUAL(pools_bucket_figure(BUCKET, "carved"), BLOCKS);
    CHECK_EQUAL(resident(), (uint64_t)BLOCKS * SIZE);
    check_all_zero();
}

/*
 * In each bucket, calloc must clear every byte of a reused slot up to malloc_usable_size, whatever size is requested.
 */
CASE(reused_slots_are_cleared_to_their_last_usable_byte)
{
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        size_t largest = pools_largest(bucket);
        size_t least = bucket == 0 ? 4096 : pools_largest(bucket - 1) + 1;
        for (size_t size = least; size <= largest; size += (largest - least) / 7 + 1) {
            char *block = malloc(largest);
            CHECK(pools_own(block));
            memset(block, 0xff, largest);
            free(block);
            char *again = calloc(1, size);
            CHECK(again == check_hide(block));
            CHECK(is_zero(again, malloc_usable_size(again)));
            free(again);
        }
    }
}
