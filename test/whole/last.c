/* These cases test the last bucket, whose largest request is exactly SOCKMALLOC_MAX. The runner passes the bucket's
 * size and label as arguments. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

enum { BLOCKS = 40, THREADS = 4 };

static size_t largest(void)
{
    return strtoul(check_arguments[0], NULL, 10);
}

/* Returns a figure of the last bucket. `column` is the figure's name in the statistics, such as "live". */
static uint64_t figure(const char *column)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", check_arguments[1], column);
    return pools_figure(name);
}

static void check_ledger(void)
{
    CHECK_EQUAL(figure("live") + figure("cached") + figure("depot") + figure("purged"), figure("carved"));
    CHECK_EQUAL(pools_figure("live") + pools_figure("cached") + pools_figure("depot") + pools_figure("purged"),
                pools_figure("carved"));
}

/* The slot of the last bucket ends with the page that holds the last byte of the largest request. A request that is one
 * byte larger gets no slot. */
CASE(ends_at_the_maximum)
{
    size_t page = (size_t)getpagesize();
    char *block = malloc(largest());
    CHECK(pools_own(block));
    CHECK_EQUAL((uintptr_t)block % page, 0);
    CHECK_EQUAL(pools_capacity(block), (largest() + page - 1) / page * page);
    CHECK_EQUAL(figure("live"), 1);
    CHECK_EQUAL(figure("asked"), largest());
    char *beyond = malloc(largest() + 1);
    CHECK(beyond != NULL && !pools_own(beyond));
    memset(block, 1, malloc_usable_size(block));
    free(beyond);
    free(block);
    CHECK_EQUAL(figure("live"), 0);
    check_ledger();
}

static void fill(char *block, unsigned seed)
{
    for (size_t i = 0; i < largest(); i += 509) {
        block[i] = (char)(i / 509 + seed);
    }
    block[largest() - 1] = (char)seed;
}

static void check_filled(const char *block, unsigned seed)
{
    for (size_t i = 0; i < largest() - 1; i += 509) {
        CHECK(block[i] == (char)(i / 509 + seed));
    }
    CHECK(block[largest() - 1] == (char)seed);
}

/* Allocates and frees slots of the last bucket, whose size need not be a power of two. No slot may overlap another one,
 * and free must find each slot by its address. */
static void *use_slots(void *seed)
{
    char *blocks[BLOCKS];
    unsigned first = (unsigned)(uintptr_t)seed;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[i] = i % 2 == 0 ? malloc(largest()) : calloc(1, largest());
            CHECK(pools_own(blocks[i]));
            CHECK(i % 2 == 0 || (blocks[i][0] == 0 && memcmp(blocks[i], blocks[i] + 1, largest() - 1) == 0));
            fill(blocks[i], first + i);
        }
        for (unsigned i = 0; i < BLOCKS; i++) {
            check_filled(blocks[i], first + i);
            free(blocks[i]);
        }
    }
    return seed;
}

CASE(slots_are_apart)
{
    use_slots(NULL);
    CHECK_EQUAL(figure("requests"), 3 * BLOCKS);
    CHECK_EQUAL(figure("fell_through"), 0);
    check_ledger();
}

CASE(threads_share_them)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, use_slots, (void *)(i * BLOCKS)), 0);
    }
    check_join(threads, THREADS);
    CHECK_EQUAL(figure("live"), 0);
    check_ledger();
}

/* realloc moves a smaller block into the last bucket, leaves a block there that still fits, and moves a block out that
 * becomes too large. malloc_trim can purge the bucket's free slots. */
CASE(resizes_and_trims)
{
    char *block = realloc(malloc(4096), largest());
    CHECK(pools_own(block));
    CHECK_EQUAL(figure("live"), 1);
    fill(block, 7);
    CHECK(realloc(block, largest() - 1) == check_hide(block));
    CHECK(realloc(block, largest()) == check_hide(block));
    block = realloc(block, pools_capacity(block) + 1);
    CHECK(!pools_own(block));
    check_filled(block, 7);
    free(block);
    CHECK_EQUAL(malloc_trim(0), 1);
    CHECK_EQUAL(pools_figure("resident"), 0);
    block = calloc(1, largest());
    CHECK(block[0] == 0 && memcmp(block, block + 1, largest() - 1) == 0);
    free(block);
    check_ledger();
}
