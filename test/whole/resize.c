/* These cases compare realloc and its relatives with the C standard and the manuals of glibc and the BSDs. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

enum { MARK = 1234 /* a value of errno that no call sets */ };

/*
 * One size for each way to serve a block. mimalloc serves the first, which is too small for the pools. A bucket below
 * SOCKMALLOC_LARGE serves the second. The large pool (the other buckets) serves the third. The fourth is too large for
 * the pools, and gets a mapping of its own.
 */
static const size_t kinds[] = {100, 16390, 262177, 5000000};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static char *take_filled(size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL);
    for (size_t i = 0; i < size; i++) {
        block[i] = (char)(i * 7 + size);
    }
    return block;
}

static void check_filled(const char *block, size_t filled, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != (char)(i * 7 + filled)) {
            CHECK_EQUAL(i, size); /* if this fails, CHECK_EQUAL prints the offset of the first wrong byte */
        }
    }
}

/* The type of a function that resizes a block by realloc, reallocarray, reallocf or reallocarr, and returns the block's
 * new address. */
typedef char *resize_call(char *block, size_t size);

static char *by_realloc(char *block, size_t size)
{
    return realloc(block, size);
}

static char *by_reallocarray(char *block, size_t size)
{
    return reallocarray(block, 1, size);
}

static char *by_reallocf(char *block, size_t size)
{
    void *(*call)(void *, size_t);
    *(void **)&call = check_find("reallocf");
    return call(block, size);
}

static char *by_reallocarr(char *block, size_t size)
{
    int (*call)(void *, size_t, size_t);
    *(void **)&call = check_find("reallocarr");
    CHECK_EQUAL(call(&block, 1, size), 0);
    return block;
}

static resize_call *const resize_calls[] = {by_realloc, by_reallocarray, by_reallocf, by_reallocarr};
enum { RESIZE_CALLS = sizeof resize_calls / sizeof resize_calls[0] };

/* Writes to all bytes that malloc_usable_size grants for the block, as redis does, and returns their number. */
static size_t fill_granted(char *block, size_t seed)
{
    size_t granted = malloc_usable_size(block);
    for (size_t i = 0; i < granted; i++) {
        block[i] = (char)(i * 7 + seed);
    }
    return granted;
}

/* The case below resizes blocks from each of these sizes in bytes to each of them. All but 1 << 20 are no multiple of
 * 16, so the library grants more bytes than were requested. */
static const size_t odd_sizes[] = {1,     9,     100,    1025,    4081,    4097,    8193,    16389,  20479,
                                   20481, 69633, 300001, 1 << 20, 4190001, 4194303, 4194305, 9000001};
enum { ODD_SIZES = sizeof odd_sizes / sizeof odd_sizes[0] };

static size_t lesser(size_t one, size_t other)
{
    return one < other ? one : other;
}

/*
 * A program may use all bytes that malloc_usable_size returns, until it resizes the block to a smaller size. realloc
 * must keep the content of these bytes, whether the block stays in place or moves, also to and from mimalloc. A second
 * realloc, which sets the block's first size again, must keep them too.
 */
CASE(all_that_was_granted_is_kept)
{
    for (int from = 0; from < ODD_SIZES; from++) {
        for (int to = 0; to < ODD_SIZES; to++) {
            resize_call *call = resize_calls[(from + to) % RESIZE_CALLS];
            char *block = malloc(odd_sizes[from]);
            CHECK(block != NULL);
            size_t granted = fill_granted(block, odd_sizes[from]);
            block = call(block, odd_sizes[to]);
            CHECK(block != NULL);
            check_filled(block, odd_sizes[from], lesser(granted, odd_sizes[to]));
            granted = fill_granted(block, 3);
            block = call(block, odd_sizes[from]);
            CHECK(block != NULL);
            check_filled(block, 3, lesser(granted, odd_sizes[from]));
            free(block);
        }
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

/* A block grows by a fifth at a time, in place or by a move. Each time realloc keeps all bytes that malloc_usable_size
 * had counted before. */
CASE(all_that_was_granted_is_kept_at_each_step)
{
    for (int kind = 0; kind < RESIZE_CALLS; kind++) {
        size_t granted = 0;
        char *block = NULL;
        for (size_t size = 1; size < (size_t)5 << 20; size = granted + granted / 5 + 1) {
            block = resize_calls[kind](block, size);
            CHECK(block != NULL);
            check_filled(block, 5, granted);
            granted = fill_granted(block, 5);
        }
        free(block);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
}

/* realloc(block, 0) frees the block and returns NULL, which is no error. The standards permit several behaviours, and
 * this is that of glibc. */
CASE(size_zero_frees)
{
    uint64_t live = pools_figure("live");
    for (int kind = 0; kind < KINDS; kind++) {
        char *block = take_filled(kinds[kind]);
        errno = MARK;
        CHECK(realloc(block, check_hide_size(0)) == NULL);
        CHECK_EQUAL(errno, MARK);
        CHECK_EQUAL(pools_figure("live"), live);
        block = take_filled(kinds[kind]);
        CHECK(reallocarray(block, 10, check_hide_size(0)) == NULL);
        CHECK_EQUAL(errno, MARK);
        CHECK_EQUAL(pools_figure("live"), live);
    }
}

CASE(failure_keeps_the_block)
{
    const size_t impossible[] = {(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 100, SIZE_MAX};
    for (int kind = 0; kind < KINDS; kind++) {
        char *block = take_filled(kinds[kind]);
        for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
            errno = MARK;
            CHECK(realloc(block, check_hide_size(impossible[i])) == NULL);
            CHECK_EQUAL(errno, ENOMEM);
            check_filled(check_hide(block), kinds[kind], kinds[kind]);
        }
        free(check_hide(block));
    }
    CHECK_EQUAL(pools_figure("live"), 0);
}

CASE(array_product_overflows)
{
    const char *const names[] = {"reallocarray", "__libc_reallocarray"};
    for (size_t name = 0; name < sizeof names / sizeof names[0]; name++) {
        void *(*call)(void *, size_t, size_t);
        *(void **)&call = check_find(names[name]);
        for (int kind = 0; kind < KINDS; kind++) {
            char *block = take_filled(kinds[kind]);
            errno = MARK;
            CHECK(call(block, ((size_t)1 << 60) + 1024, 16) == NULL);
            CHECK_EQUAL(errno, ENOMEM);
            CHECK(call(block, SIZE_MAX, SIZE_MAX) == NULL);
            check_filled(block, kinds[kind], kinds[kind]);
            block = call(block, kinds[kind], 2);
            CHECK(block != NULL && malloc_usable_size(block) >= kinds[kind] * 2);
            check_filled(block, kinds[kind], kinds[kind]);
            free(block);
        }
    }
}

/* reallocf, a function of the BSDs, frees the block if it cannot resize the block. This is its purpose. */
CASE(reallocf_frees_on_failure)
{
    void *(*call)(void *, size_t);
    *(void **)&call = check_find("reallocf");
    uint64_t live = pools_figure("live");
    for (int kind = 0; kind < KINDS; kind++) {
        char *block = take_filled(kinds[kind]);
        errno = MARK;
        CHECK(call(block, SIZE_MAX) == NULL);
        CHECK_EQUAL(errno, ENOMEM);
        CHECK_EQUAL(pools_figure("live"), live);
        block = call(take_filled(kinds[kind]), kinds[kind] * 3);
        check_filled(block, kinds[kind], kinds[kind]);
        CHECK(call(block, 0) == NULL);
        CHECK_EQUAL(pools_figure("live"), live);
    }
    CHECK(call(NULL, SIZE_MAX) == NULL);
    pools_check_ledger();
}

/* reallocarr, a function of NetBSD, returns an error number. If it fails, it leaves the pointer and errno unchanged. */
CASE(reallocarr_stores)
{
    int (*call)(void *, size_t, size_t);
    *(void **)&call = check_find("reallocarr");
    for (int kind = 0; kind < KINDS; kind++) {
        char *block = take_filled(kinds[kind]);
        char *before = check_hide(block);
        errno = MARK;
        CHECK_EQUAL(call(&block, SIZE_MAX / 2, 3), EOVERFLOW);
        CHECK(block == before);
        CHECK_EQUAL(call(&block, SIZE_MAX, 1), ENOMEM);
        CHECK(block == before);
        CHECK_EQUAL(call(&block, 3, kinds[kind]), 0);
        check_filled(block, kinds[kind], kinds[kind]);
        CHECK_EQUAL(call(&block, 3, 0), 0);
        CHECK(block == NULL);
        CHECK_EQUAL(call(&block, 1, kinds[kind]), 0);
        CHECK(block != NULL);
        CHECK_EQUAL(errno, MARK);
        free(block);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
}
