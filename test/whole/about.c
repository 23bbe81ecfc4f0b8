/* These cases test the calls by which a program asks glibc's allocator for figures or sets its parameters, such as
 * mallinfo and mallopt. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

enum { MARK = 1234, TRIM_LIMIT = 32 << 20 };

typedef size_t size_call(void *block);

/* malloc_usable_size and malloc_size return at least the requested size, and the same number as long as the block is
 * live. For a block of the pools they return the requested size, rounded up to a multiple of 16 bytes. */
CASE(usable_size)
{
    const char *const names[] = {"malloc_usable_size", "malloc_size"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_call *call;
        *(void **)&call = check_find(names[i]);
        CHECK_EQUAL(call(NULL), 0);
        for (size_t size = 1; size <= (size_t)8 << 20; size += size / 2 + 1) {
            char *block = malloc(size);
            size_t usable = call(block);
            CHECK(usable >= size);
            memset(block, 0x11, usable);
            CHECK_EQUAL(call(block), usable);
            if (pools_own(block)) {
                CHECK_EQUAL(usable, (size + 15) / 16 * 16);
            }
            free(block);
        }
    }
}

CASE(good_size)
{
    size_t (*call)(size_t);
    *(void **)&call = check_find("malloc_good_size");
    for (size_t size = 1; size <= (size_t)8 << 20; size += size / 2 + 1) {
        char *block = malloc(size);
        CHECK(call(size) >= size);
        if (pools_own(block)) {
            CHECK_EQUAL(call(size), malloc_usable_size(block));
        }
        free(block);
    }
}

/* mallinfo2 counts the pools' memory exactly, in whole slots. */
CASE(mallinfo_counts_the_pools)
{
    struct mallinfo2 before = mallinfo2();
    char *trained = malloc(16390);
    char *large = malloc(262144);
    CHECK(trained != NULL && large != NULL);
    struct mallinfo2 during = mallinfo2();
    CHECK_EQUAL(during.uordblks - before.uordblks, 20480 + 266240);
    CHECK_EQUAL(during.arena, during.uordblks + during.fordblks);
    free(large);
    free(trained);
    struct mallinfo2 after = mallinfo2();
    CHECK_EQUAL(after.uordblks, before.uordblks);
    CHECK_EQUAL(after.arena, during.arena);
    CHECK(after.keepcost >= 266240);
    struct mallinfo2 wide = mallinfo2();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo narrow = mallinfo();
#pragma GCC diagnostic pop
    CHECK_EQUAL(narrow.arena, wide.arena);
    CHECK_EQUAL(narrow.ordblks, wide.ordblks);
    CHECK_EQUAL(narrow.uordblks, wide.uordblks);
    CHECK_EQUAL(narrow.fordblks, wide.fordblks);
    CHECK_EQUAL(narrow.keepcost, wide.keepcost);
}

/* haproxy calls mallinfo2 before and after malloc(1). If the two results are equal, haproxy assumes that the allocator
 * is not glibc's, and never calls malloc_trim. This case checks that with sockmalloc the two results are equal. */
CASE(mallinfo_ignores_small_requests)
{
    struct mallinfo2 before = mallinfo2();
    char *block = malloc(1);
    struct mallinfo2 during = mallinfo2();
    CHECK(memcmp(&before, &during, sizeof before) == 0);
    free(block);
}

/*
 * malloc_trim gives at most 32 MiB back to the kernel in one call. It returns 1 if it gave memory back, and 0 if not.
 * Live blocks stay.
 */
CASE(trim_is_bounded)
{
    enum { BLOCKS = 24, SIZE = POOLS_LARGEST };
    static char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        CHECK(pools_own(blocks[i]));
        memset(blocks[i], i + 1, SIZE);
    }
    for (int i = 1; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    uint64_t resident = pools_figure("4m.resident");
    CHECK(resident >= (uint64_t)BLOCKS * SIZE);
    unsigned calls = 0;
    uint64_t purged_before = 0;
    while (malloc_trim(0) == 1) {
        uint64_t purged = pools_figure("4m.purged");
        CHECK((purged - purged_before) * SIZE < TRIM_LIMIT + SIZE);
        purged_before = purged;
        calls++;
    }
    CHECK(calls >= 2);
    CHECK_EQUAL(purged_before, BLOCKS - 1);
    CHECK(pools_figure("4m.resident") <= resident - (uint64_t)(BLOCKS - 1) * SIZE);
    CHECK(blocks[0][0] == 1 && blocks[0][SIZE - 1] == 1);
    free(blocks[0]);
    pools_check_ledger();
}

/* Allocates blocks of one size, writes to every byte of them, and frees them. */
static void use_blocks(size_t size, unsigned count)
{
    static char *blocks[200];
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        CHECK(pools_own(blocks[i]));
        memset(blocks[i], 1, size);
    }
    for (unsigned i = 0; i < count; i++) {
        free(blocks[i]);
    }
}

/* With the pools off, malloc_trim has nothing to give back. */
CASE(trim_without_pools)
{
    CHECK(!pools_are_active());
    free(check_hide(malloc(16384)));
    CHECK_EQUAL(malloc_trim(0), 0);
}

/* malloc_trim(pad) purges free slots, but leaves `pad` bytes of free memory resident, rounded to whole slots. */
CASE(trim_keeps_the_pad)
{
    enum { SIZE = 1 << 20, SLOT = SIZE + POOLS_HEADROOM, BLOCKS = 8 };
    CHECK_EQUAL(malloc_trim(0), 0);
    use_blocks(SIZE, BLOCKS);
    errno = MARK;
    CHECK_EQUAL(malloc_trim(BLOCKS * SLOT), 0);
    CHECK_EQUAL(pools_figure("1m.depot"), BLOCKS);
    CHECK_EQUAL(malloc_trim(3 * SLOT), 1);
    CHECK_EQUAL(pools_figure("1m.depot"), 3);
    CHECK_EQUAL(pools_figure("1m.resident_free"), 3 * SIZE);
    CHECK_EQUAL(malloc_trim(3 * SLOT), 0);
    CHECK_EQUAL(malloc_trim(SIZE_MAX), 0);
    CHECK_EQUAL(pools_figure("1m.resident_free"), 3 * SIZE);
    CHECK_EQUAL(malloc_trim(0), 1);
    CHECK_EQUAL(pools_figure("resident"), 0);
    CHECK_EQUAL(malloc_trim(0), 0);
    CHECK_EQUAL(errno, MARK);
    pools_check_ledger();
}

/* malloc_trim also purges the free slots in the calling thread's own cache. */
CASE(trim_reaches_the_own_cache)
{
    for (unsigned bucket = 0; bucket < POOLS_TRAINED; bucket++) {
        use_blocks(pools_size(bucket), 150);
        use_blocks(pools_size(bucket), 150);
    }
    CHECK(pools_figure("cached") > 0);
    uint64_t quota = pools_figure("quota");
    CHECK(quota > 0);
    while (malloc_trim(0) == 1) {
    }
    CHECK_EQUAL(pools_figure("cached"), 0);
    CHECK_EQUAL(pools_figure("depot"), 0);
    CHECK_EQUAL(pools_figure("resident"), 0);
    CHECK_EQUAL(pools_figure("quota"), quota);
    pools_check_ledger();
    use_blocks(16384, 150);
    pools_check_ledger();
}

CASE(info_is_xml)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    CHECK(stream != NULL);
    errno = MARK;
    CHECK_EQUAL(malloc_info(1, stream), -1);
    CHECK_EQUAL(errno, EINVAL);
    CHECK_EQUAL(malloc_info(0, stream), 0);
    CHECK(fclose(stream) == 0);
    CHECK(strncmp(text, "<malloc version=\"sockmalloc-", 28) == 0);
    CHECK(strcmp(text + length - 10, "</malloc>\n") == 0);
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        char element[64];
        snprintf(element, sizeof element, "<bucket label=\"%s\" capacity=\"%zu\" live=\"", pools_labels[bucket],
                 pools_largest(bucket));
        CHECK(strstr(text, element) != NULL);
    }
    free(text);
}

/* run-whole checks that this case writes exactly one dump of statistics to stderr. */
CASE(stats_writes_a_dump)
{
    errno = MARK;
    malloc_stats();
    CHECK_EQUAL(errno, MARK);
}

CASE(mallopt_accepts_all)
{
    CHECK_EQUAL(mallopt(M_MMAP_THRESHOLD, 65536), 1);
    CHECK_EQUAL(mallopt(M_ARENA_MAX, 1), 1);
    char *block = malloc(100000);
    /* the pools serve the block although the program has set M_MMAP_THRESHOLD: mallopt returns success and has no
     * effect */
    CHECK(pools_own(block));
    free(block);
}
