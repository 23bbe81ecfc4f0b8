/* These cases count the mappings that the library makes, because Linux by default permits a process only 65,530. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

enum { BLOCKS = 200 };

static char *blocks[POOLS_BUCKETS][BLOCKS];

/* Allocates many slots and writes one byte to each, so that little memory is needed. */
static void touch_every_bucket(void)
{
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[bucket][i] = malloc(pools_size(bucket));
            CHECK(pools_own(blocks[bucket][i]));
            blocks[bucket][i][0] = 1;
        }
    }
}

struct mappings {
    unsigned pools; /* the number of mappings in the pools' range */
    unsigned named; /* the number of mappings in the pools' range that have the library's name */
};

static struct mappings count_mappings(void)
{
    static char line[8192];
    struct mappings counted = {0};
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t start;
        CHECK_EQUAL(sscanf(line, "%" SCNx64, &start), 1);
        if (pools_own((void *)(uintptr_t)start)) {
            counted.pools++;
            counted.named += strstr(line, "[anon:sockmalloc:slots]") != NULL;
        }
    }
    CHECK(fclose(maps) == 0);
    return counted;
}

/*
 * Checks that the pools' range is a single mapping. This must hold in whatever order its pages were touched and purged.
 */
static void check_few(void)
{
    struct mappings counted = count_mappings();
    CHECK_EQUAL(counted.pools, 1);
    CHECK(counted.named == 0 || counted.named == 1); /* the mapping has a name only if the kernel can name mappings */
}

CASE(few_after_touching_every_bucket)
{
    touch_every_bucket();
    check_few();
}

/* malloc_trim purges every second slot by MADV_DONTNEED, which does not split a mapping. So the number of mappings
 * stays small. */
CASE(few_after_purging_in_patterns)
{
    touch_every_bucket();
    for (unsigned bucket = POOLS_TRAINED; bucket < POOLS_BUCKETS; bucket++) {
        for (int i = 0; i < BLOCKS; i += 2) {
            free(blocks[bucket][i]);
        }
    }
    while (malloc_trim(0) == 1) {
    }
    for (unsigned bucket = POOLS_TRAINED; bucket < POOLS_BUCKETS; bucket++) {
        CHECK_EQUAL(pools_bucket_figure(bucket, "purged"), BLOCKS / 2);
    }
    check_few();
}

/* If a block grows beyond its slot and still fits into a larger one, the library copies it instead of moving its pages,
 * so it makes no new mapping. */
CASE(few_after_growing)
{
    for (int i = 0; i < BLOCKS; i++) {
        char *block = NULL;
        for (size_t size = 4096; size <= (size_t)1 << 20; size *= 3) {
            block = realloc(block, size);
            CHECK(pools_own(block));
            block[size - 1] = 1;
        }
        blocks[0][i] = block;
    }
    check_few();
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[0][i]);
    }
    check_few();
}

static void *touch_in_thread(void *unused)
{
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        for (int i = 0; i < 5; i++) {
            char *block = malloc(pools_size(bucket));
            CHECK(pools_own(block));
            block[0] = 1;
            free(block);
        }
    }
    return unused;
}

CASE(few_after_many_threads)
{
    enum { THREADS = 100 };
    pthread_t threads[THREADS];
    check_start(threads, THREADS, touch_in_thread, NULL);
    check_join(threads, THREADS);
    check_few();
}
