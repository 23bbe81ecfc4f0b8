/* These cases check what happens when memory is short: requests for every bucket are either served or fail, and blocks
 * keep their content. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

enum { BLOCKS = 4 };

/* Counts what happened to the requests of one bucket. */
struct outcome {
    unsigned pooled;
    unsigned fell_through;
    unsigned failed;
};

struct block {
    char *start;
    size_t size;
};

/* distance in bytes between the places at which a block is marked; its last byte is marked as well. Few marks cause few
 * page faults, and still tell blocks apart. */
enum { MARK_DISTANCE = 16384 };

static void write_marks(char *start, size_t size, char mark)
{
    for (size_t at = 0; at < size; at += MARK_DISTANCE) {
        start[at] = mark;
    }
    start[size - 1] = mark;
}

static void check_marks(const char *start, size_t size, char mark)
{
    for (size_t at = 0; at < size; at += MARK_DISTANCE) {
        CHECK(start[at] == mark);
    }
    CHECK(start[size - 1] == mark);
}

static struct block take(unsigned bucket, unsigned i, struct outcome *outcome)
{
    struct block block = {.size = pools_largest(bucket) - i * 100};
    errno = 0;
    block.start = i % 2 == 0 ? malloc(block.size) : calloc(1, block.size);
    if (block.start == NULL) {
        CHECK_EQUAL(errno, ENOMEM);
        outcome->failed++;
        return block;
    }
    if (pools_own(block.start)) {
        outcome->pooled++;
    } else {
        outcome->fell_through++;
    }
    if (i % 2 != 0) {
        check_marks(block.start, block.size, 0);
    }
    write_marks(block.start, block.size, (char)(bucket * BLOCKS + i + 1));
    return block;
}

/* Makes a block larger. If that fails, the block must be unchanged. */
static void grow(struct block *block)
{
    errno = 0;
    char *grown = realloc(block->start, block->size * 2);
    if (grown == NULL) {
        CHECK_EQUAL(errno, ENOMEM);
        return;
    }
    block->start = grown;
}

static void give(const struct block *block, unsigned bucket, unsigned i)
{
    if (block->start != NULL) {
        check_marks(block->start, block->size, (char)(bucket * BLOCKS + i + 1));
        free(block->start);
    }
}

/*
 * Prints without stdio, because stdio would allocate a buffer: that would be a request that the case has not counted.
 */
static void report(const char *label, const struct outcome *outcome)
{
    char line[128];
    int length =
        snprintf(line, sizeof line, "%s %u %u %u\n", label, outcome->pooled, outcome->fell_through, outcome->failed);
    CHECK_EQUAL(write(STDOUT_FILENO, line, (size_t)length), length);
}

/* Allocates from every bucket and keeps all blocks. Prints a line for each bucket: its label, how many requests the
 * pools served, how many mimalloc served instead, and how many failed. Then makes one block of each bucket larger,
 * checks that all blocks have kept their content, and frees them. */
CASE(every_bucket)
{
    static struct block blocks[POOLS_BUCKETS][BLOCKS];
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        struct outcome outcome = {0};
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[bucket][i] = take(bucket, i, &outcome);
        }
        report(pools_labels[bucket], &outcome);
    }
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        grow(&blocks[bucket][0]);
        for (unsigned i = 0; i < BLOCKS; i++) {
            give(&blocks[bucket][i], bucket, i);
        }
    }
    if (pools_are_active()) {
        CHECK_EQUAL(pools_figure("live"), 0);
        pools_check_ledger();
    }
}

/* Allocates blocks of every size until no size can be served any more, and then frees all blocks. */
CASE(until_nothing_is_left)
{
    enum { MOST = 100000 };
    static char *blocks[MOST];
    unsigned count = 0;
    for (size_t size = 4194304; size >= 1024; size /= 2) {
        errno = 0;
        while (count < MOST && (blocks[count] = malloc(size)) != NULL) {
            blocks[count][0] = 1;
            blocks[count][size - 1] = 1;
            count++;
        }
        CHECK(count < MOST);
        CHECK_EQUAL(errno, ENOMEM);
    }
    CHECK(count > 0);
    while (count > 0) {
        free(blocks[--count]);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
    /*
     * In the allocations above, the kernel has refused memory. Since then the pools save address space: they carve a
     * new slot only for a request that fills the whole slot. So these requests have the largest size of their bucket.
     */
    for (unsigned bucket = 0; bucket < POOLS_TRAINED; bucket++) {
        char *block = malloc(pools_largest(bucket));
        CHECK(pools_own(block));
        free(block);
    }
}

/* Runs in a new thread, and allocates from every trained bucket (a bucket whose free slots are in caches). The runner
 * limits the address space. Beside the pools there must be enough of it for the stack of this thread, and no request
 * may fail. */
static void *use_in_thread(void *unused)
{
    struct outcome outcome = {0};
    for (unsigned bucket = 0; bucket < POOLS_TRAINED; bucket++) {
        struct block block = take(bucket, 0, &outcome);
        give(&block, bucket, 0);
    }
    CHECK_EQUAL(outcome.failed, 0);
    return unused;
}

CASE(a_thread)
{
    check_in_thread(use_in_thread, NULL);
    pools_check_ledger();
}

/* If the kernel refuses to purge a slot, the slot does not count as purged, and calloc clears it because its pages may
 * not be zero. */
CASE(refused_purge)
{
    enum { SIZE = 1 << 20 };
    char *block = malloc(SIZE);
    CHECK(pools_own(block));
    memset(block, 0x77, SIZE);
    free(block);
    CHECK_EQUAL(malloc_trim(0), 0);
    CHECK_EQUAL(pools_figure("1m.purged"), 0);
    CHECK_EQUAL(pools_figure("1m.depot"), 1);
    pools_check_ledger();
    char *again = calloc(1, SIZE);
    CHECK(again == check_hide(block));
    CHECK(again[0] == 0 && memcmp(again, again + 1, SIZE - 1) == 0);
    free(again);
    pools_check_ledger();
}
