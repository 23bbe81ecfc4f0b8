/* These cases test how much free memory stays with the process under the settings that limit it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

enum { LARGE = 8, ROUNDS = 3, LIMIT_OF_LARGE = 8 << 20 };

static void use_blocks(unsigned bucket, unsigned count)
{
    char *blocks[200];
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = malloc(pools_size(bucket));
        CHECK(pools_own(blocks[i]));
        memset(blocks[i], 1, pools_size(bucket));
    }
    for (unsigned i = 0; i < count; i++) {
        free(blocks[i]);
    }
}

CASE(nothing_free_stays)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
            use_blocks(bucket, bucket < LARGE ? 200 : 10);
            CHECK_EQUAL(pools_bucket_figure(bucket, "resident_free"), 0);
            CHECK_EQUAL(pools_bucket_figure(bucket, "cached"), 0);
            CHECK_EQUAL(pools_bucket_figure(bucket, "depot"), 0);
        }
        pools_check_ledger();
    }
}

static uint64_t large_free(void)
{
    uint64_t sum = 0;
    for (unsigned bucket = POOLS_TRAINED; bucket < POOLS_BUCKETS; bucket++) {
        sum += pools_bucket_figure(bucket, "depot") * (pools_largest(bucket));
    }
    return sum;
}

/* The large pool has the buckets from POOLS_TRAINED on. The library purges no slot of the large pool while this pool's
 * free memory is below its limit. Above the limit, the library purges only as much as is needed to get below the limit
 * again. */
CASE(large_pool_keeps_its_part)
{
    unsigned fitting = LIMIT_OF_LARGE / (unsigned)pools_largest(LARGE);
    use_blocks(0, 200);
    use_blocks(LARGE, fitting);
    CHECK_EQUAL(pools_figure("purged"), pools_bucket_figure(0, "purged"));
    CHECK_EQUAL(pools_bucket_figure(LARGE, "depot"), fitting);
    use_blocks(LARGE, 2 * fitting);
    CHECK(large_free() <= LIMIT_OF_LARGE);
    CHECK(large_free() > LIMIT_OF_LARGE - 2 * pools_largest(LARGE));
    for (unsigned bucket = POOLS_TRAINED; bucket < POOLS_BUCKETS; bucket++) {
        use_blocks(bucket, 3);
        CHECK(large_free() <= LIMIT_OF_LARGE);
    }
    CHECK_EQUAL(pools_bucket_figure(0, "cached") + pools_bucket_figure(0, "depot") + pools_bucket_figure(0, "purged"),
                pools_bucket_figure(0, "carved"));
    CHECK_EQUAL(pools_bucket_figure(0, "resident_free"), 200 * pools_size(0));
    pools_check_ledger();
}

/* Allocates and frees one large block again and again, until the library keeps the block's slot as the spare slot: a
 * free slot in the cache of a process's only thread. */
static void get_spare(void)
{
    enum { PAIRS = 1000 };
    do {
        for (unsigned i = 0; i < PAIRS; i++) {
            free(memset(check_hide(malloc(pools_size(LARGE))), 1, 1));
        }
    } while (pools_bucket_figure(LARGE, "cached") == 0);
    CHECK_EQUAL(pools_bucket_figure(LARGE, "cached"), 1);
    CHECK(pools_bucket_figure(LARGE, "resident_free") > 0);
}

static void *look_for_spare(void *unused)
{
    CHECK_EQUAL(pools_bucket_figure(LARGE, "cached"), 0);
    return unused;
}

/*
 * The spare slot is a free slot of a large bucket that a thread keeps in its cache. Before pthread_create makes a
 * second thread, the library moves the first thread's spare slot to the free slots that all threads share. Otherwise
 * nothing could purge the slot while the first thread sleeps in a call in which it purges nothing.
 */
CASE(spare_goes_before_a_thread_is_made)
{
    pthread_t thread;
    get_spare();
    CHECK_EQUAL(pthread_create(&thread, NULL, look_for_spare, NULL), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    pools_check_ledger();
}

CASE(spare_loses_its_pages_while_the_thread_waits)
{
    get_spare();
    while (pools_bucket_figure(LARGE, "resident_free") > 0) {
        poll(NULL, 0, 2000);
    }
    pools_check_ledger();
}

CASE(spare_is_trimmed)
{
    get_spare();
    malloc_trim(0);
    CHECK_EQUAL(pools_bucket_figure(LARGE, "cached"), 0);
    CHECK_EQUAL(pools_bucket_figure(LARGE, "resident_free"), 0);
    pools_check_ledger();
}
