/* Cases: how many mappings the library takes, of the 65,530 that a process may have. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"
#include "filter.h"
#include "outside.h"
#include "pools.h"

enum { FEW = 100, BLOCKS = 200 };

static char *blocks[POOLS_BUCKETS][BLOCKS];

/* Untouched but for a byte each: slots are many, memory is little. */
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
    unsigned lanes; /* mappings that lie in the lanes */
    unsigned
        neighbours; /* those that end where the lanes, or other neighbours, start: the tables */
    unsigned named; /* those of the lanes that say which bucket they are */
};

static struct mappings count_mappings(void)
{
    static char line[8192];
    struct mappings counted = {0};
    uint64_t last_end = 0;
    unsigned adjoining = 0; /* mappings without a gap up to this one */
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t start;
        uint64_t end;
        CHECK_EQUAL(sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end), 2);
        adjoining = start == last_end ? adjoining + 1 : 0;
        last_end = end;
        if (pools_own((void *)(uintptr_t)start)) {
            counted.neighbours += counted.lanes == 0 ? adjoining : 0;
            counted.lanes++;
            counted.named += strstr(line, "[anon:sockmalloc:") != NULL;
        }
    }
    CHECK(fclose(maps) == 0);
    return counted;
}

/* `lanes` of them were touched, at least. */
static void check_few(unsigned lanes)
{
    struct mappings counted = count_mappings();
    CHECK(counted.lanes >= lanes);
    CHECK(counted.neighbours >= 1);
    CHECK(counted.lanes + counted.neighbours < FEW);
    CHECK(counted.named == 0 ||
          counted.named == counted.lanes); /* where the kernel can name them */
}

static void few_after_touching_every_bucket(void)
{
    touch_every_bucket();
    check_few(POOLS_BUCKETS);
}

/* Every other slot purged: MADV_DONTNEED splits nothing. */
static void few_after_purging_in_patterns(void)
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
    check_few(POOLS_BUCKETS);
}

/* What grows is copied, and no mapping is moved. */
static void few_after_growing(void)
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
    check_few(1);
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[0][i]);
    }
    check_few(1);
}

static void call_mremap(void)
{
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    filter_forbid(SYS_mremap);
    mremap(page, 4096, 8192, MREMAP_MAYMOVE);
}

/* Up and down through all sizes, those of mimalloc's too: it splits mappings for good. */
static void nothing_is_remapped(void)
{
    outside_check_killed(call_mremap, SIGSYS);
    filter_forbid(SYS_mremap);
    for (size_t factor = 2; factor <= 5; factor++) {
        char *block = NULL;
        size_t size = 100;
        for (; size <= (size_t)16 << 20; size *= factor) {
            block = realloc(block, size);
            CHECK(block != NULL);
            memset(block, 1, size);
        }
        for (; size >= 100; size /= factor) {
            block = realloc(block, size);
            CHECK(block != NULL && block[0] == 1);
        }
        free(block);
    }
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

static void few_after_many_threads(void)
{
    enum { THREADS = 100 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, touch_in_thread, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    }
    check_few(POOLS_BUCKETS);
}

static const struct check_case cases[] = {
    CHECK_CASE(few_after_touching_every_bucket),
    CHECK_CASE(few_after_purging_in_patterns),
    CHECK_CASE(few_after_growing),
    CHECK_CASE(nothing_is_remapped),
    CHECK_CASE(few_after_many_threads),
};

CHECK_MAIN(cases)
