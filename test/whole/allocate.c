/* These cases compare malloc, calloc and free with the C standard, POSIX and glibc's manual. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

enum { MARK = 1234 /* a value of errno that no call under test sets */ };

typedef void *take_call(size_t size);

/*
 * Checks that every byte of the block can be written. Checks that the block is aligned for any type that fits into it,
 * as C23 demands; mimalloc aligns its smallest blocks to 8 bytes. Checks that the block comes from the allocator that
 * the documentation names for its size.
 */
static void check_block(char *block, size_t size)
{
    CHECK(block != NULL);
    CHECK_EQUAL((uintptr_t)block % (size < 16 ? 8 : 16), 0);
    CHECK(malloc_usable_size(block) >= size);
    memset(block, 0x3c, size);
    bool pooled = size >= 4096 && size <= POOLS_LARGEST;
    CHECK_EQUAL(pools_own(block), pooled);
    if (pooled) {
        CHECK_EQUAL((uintptr_t)block % 4096, 0);
        CHECK_EQUAL(malloc_usable_size(block), (size + 15) / 16 * 16);
    }
}

/* Returns the largest request that is served by the bucket which serves a request of `size` bytes. A bucket of 2^k
 * bytes serves requests of up to 2^k + POOLS_HEADROOM bytes, and the last bucket serves up to POOLS_LARGEST bytes. A
 * request goes to the smallest bucket that serves it. */
static size_t wanted_capacity(size_t size)
{
    size_t power = 4096;
    while (power + POOLS_HEADROOM < size) {
        power *= 2;
    }
    return power < POOLS_LARGEST ? power + POOLS_HEADROOM : POOLS_LARGEST;
}

CASE(every_size)
{
    for (size_t power = 1; power <= (size_t)8 << 20; power *= 2) {
        const size_t around[] = {
            power - 1, power, power + 1, power + 16, power + 4095, power + POOLS_HEADROOM, power + POOLS_HEADROOM + 1};
        for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
            char *block = malloc(around[i]);
            check_block(block, around[i]);
            if (pools_own(block)) {
                CHECK_EQUAL(pools_capacity(block), wanted_capacity(around[i]));
            }
            free(block);
        }
    }
}

CASE(size_zero)
{
    take_call *take = malloc;
    char *blocks[] = {take(check_hide_size(0)), take(check_hide_size(0)), calloc(0, 8), calloc(8, 0)};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        CHECK(blocks[i] != NULL);
        for (size_t j = 0; j < i; j++) {
            CHECK(blocks[i] != blocks[j]);
        }
    }
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        free(blocks[i]);
    }
}

CASE(impossible_sizes)
{
    const size_t sizes[] = {(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = MARK;
        CHECK(check_hide(malloc(check_hide_size(sizes[i]))) == NULL);
        CHECK_EQUAL(errno, ENOMEM);
        errno = MARK;
        CHECK(check_hide(calloc(1, check_hide_size(sizes[i]))) == NULL);
        CHECK_EQUAL(errno, ENOMEM);
        errno = MARK;
        CHECK(check_hide(calloc(check_hide_size(sizes[i]), 1)) == NULL);
        CHECK_EQUAL(errno, ENOMEM);
    }
}

CASE(product_overflows)
{
    /* the product of the last pair, cut to 64 bits, would be a size that the pools serve */
    const size_t factors[][2] = {{SIZE_MAX, 2},
                                 {2, SIZE_MAX},
                                 {(size_t)1 << 33, (size_t)1 << 33},
                                 {SIZE_MAX / 2 + 1, 2},
                                 {((size_t)1 << 60) + 1024, 16}};
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        errno = MARK;
        void *block = calloc(check_hide_size(factors[i][0]), check_hide_size(factors[i][1]));
        CHECK(check_hide(block) == NULL);
        CHECK_EQUAL(errno, ENOMEM);
    }
}

static bool is_zero(const char *block, size_t size)
{
    return block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
}

/* free leaves errno unchanged even if it makes system calls, as POSIX 2024 demands. */
CASE(free_keeps_errno)
{
    enum { BLOCKS = 300 };
    static char *blocks[BLOCKS];
    errno = MARK;
    free(NULL);
    CHECK_EQUAL(errno, MARK);
    for (size_t size = 1; size <= (size_t)8 << 20; size *= 2) {
        int count = size <= 65536 ? BLOCKS : 10;
        for (int i = 0; i < count; i++) {
            blocks[i] = malloc(size);
            CHECK(blocks[i] != NULL);
        }
        errno = MARK;
        for (int i = 0; i < count; i++) {
            free(blocks[i]);
        }
        CHECK_EQUAL(errno, MARK);
    }
}

/* glibc exports malloc and free also under names such as __libc_malloc, and some programs call these. Calls by each of
 * these names must reach the pools. */
CASE(libc_names)
{
    const char *const plain[] = {"__libc_malloc", "__libc_valloc", "__libc_pvalloc"};
    void (*give)(void *);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        take_call *take;
        *(void **)&take = check_find(plain[i]);
        check_block(take(20000 / 4096 * 4096), 20000 / 4096 * 4096);
    }
    void *(*take_zeroed)(size_t, size_t);
    *(void **)&take_zeroed = check_find("__libc_calloc");
    char *block = take_zeroed(100, 200);
    CHECK(is_zero(block, 20000));
    check_block(block, 20000);
    void *(*resize)(void *, size_t);
    *(void **)&resize = check_find("__libc_realloc");
    block = resize(block, 30000);
    check_block(block, 30000);
    *(void **)&give = check_find("__libc_free");
    uint64_t live = pools_figure("live");
    give(block);
    CHECK_EQUAL(pools_figure("live"), live - 1);
    *(void **)&give = check_find("__libc_cfree");
    give(malloc(20000));
    CHECK_EQUAL(pools_figure("live"), live - 1);
}

/* cfree and vfree do what free does. free_sized and free_aligned_sized of C23 free the block even if the size that they
 * get is wrong. */
CASE(names_of_free)
{
    uint64_t live = pools_figure("live");
    const char *const plain[] = {"cfree", "vfree"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        void (*give)(void *);
        *(void **)&give = check_find(plain[i]);
        give(malloc(5000));
        give(malloc(50));
        give(NULL);
    }
    void (*give_sized)(void *, size_t);
    *(void **)&give_sized = check_find("free_sized");
    void (*give_aligned)(void *, size_t, size_t);
    *(void **)&give_aligned = check_find("free_aligned_sized");
    for (size_t size = 10; size < ((size_t)8 << 20); size *= 7) {
        give_sized(malloc(size), size);
        give_aligned(aligned_alloc(64, size), 64, size);
    }
    give_sized(NULL, 100);
    give_aligned(NULL, 64, 100);
    CHECK_EQUAL(pools_figure("live"), live);
    pools_check_ledger();
}
