/* These cases compare the functions that take an alignment with POSIX, the C standard and glibc's manual. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

enum { MARK = 1234 /* a value of errno that no call under test sets */ };

typedef void *aligned_call(size_t alignment, size_t size);
typedef int store_call(void **place, size_t alignment, size_t size);

static const char *const aligned_names[] = {"aligned_alloc", "memalign", "__libc_memalign", "_aligned_malloc"};
static const char *const store_names[] = {"posix_memalign", "__posix_memalign"};
enum {
    ALIGNED_NAMES = sizeof aligned_names / sizeof aligned_names[0],
    STORE_NAMES = sizeof store_names / sizeof store_names[0]
};

static aligned_call *find_aligned(int name)
{
    aligned_call *call;
    *(void **)&call = check_find(aligned_names[name]);
    return call;
}

static store_call *find_store(int name)
{
    store_call *call;
    *(void **)&call = check_find(store_names[name]);
    return call;
}

/* Checks that a block is aligned and writable. Checks that the block comes from the pools exactly if they serve blocks
 * of this size and the alignment is at most a page. */
static void check_block(char *block, size_t alignment, size_t size)
{
    CHECK(block != NULL);
    CHECK_EQUAL((uintptr_t)block % alignment, 0);
    CHECK(malloc_usable_size(block) >= size);
    memset(block, 0x3c, size);
    bool pooled = size >= 4096 && size <= POOLS_LARGEST && alignment <= (size_t)getpagesize();
    CHECK_EQUAL(pools_own(block), pooled);
}

static const size_t sizes[] = {1, 100, 4095, 4096, 16390, 69632, 300000, 4194304, 5000000};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

CASE(every_alignment)
{
    for (size_t alignment = 1; alignment <= (size_t)2 << 20; alignment *= 2) {
        for (int i = 0; i < SIZES; i++) {
            for (int name = 0; name < ALIGNED_NAMES; name++) {
                char *block = find_aligned(name)(alignment, sizes[i]);
                check_block(block, alignment, sizes[i]);
                free(block);
            }
        }
    }
}

CASE(every_stored_alignment)
{
    for (size_t alignment = sizeof(void *); alignment <= (size_t)2 << 20; alignment *= 2) {
        for (int i = 0; i < SIZES; i++) {
            for (int name = 0; name < STORE_NAMES; name++) {
                void *block = NULL;
                errno = MARK;
                CHECK_EQUAL(find_store(name)(&block, alignment, sizes[i]), 0);
                CHECK_EQUAL(errno, MARK);
                check_block(block, alignment, sizes[i]);
                free(block);
            }
        }
    }
}

/* Allocates many blocks whose sizes are multiples of the alignment, as programs do for arrays of cache lines or
 * vectors. There are many blocks because a single one could be aligned by luck. */
CASE(size_is_a_multiple_of_the_alignment)
{
    enum { BLOCKS = 40 };
    void *blocks[BLOCKS];
    for (size_t alignment = sizeof(void *); alignment <= 65536; alignment *= 2) {
        for (size_t size = alignment; size <= 4 * alignment; size += alignment) {
            for (int i = 0; i < BLOCKS; i++) {
                if (i % 2 == 0) {
                    blocks[i] = find_aligned(i / 2 % ALIGNED_NAMES)(alignment, size);
                } else {
                    CHECK_EQUAL(find_store(i / 2 % STORE_NAMES)(&blocks[i], alignment, size), 0);
                }
                check_block(blocks[i], alignment, size);
            }
            for (int i = 0; i < BLOCKS; i++) {
                free(blocks[i]);
            }
        }
    }
}

CASE(bad_alignments)
{
    const size_t bad[] = {0, 3, 24, 48, 100, 4095, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (int name = 0; name < ALIGNED_NAMES; name++) {
            for (int size = 0; size < SIZES; size++) {
                errno = MARK;
                CHECK(find_aligned(name)(bad[i], sizes[size]) == NULL);
                CHECK_EQUAL(errno, EINVAL);
            }
        }
    }
}

/* posix_memalign returns the error for a bad alignment, and changes neither errno nor the caller's pointer. */
CASE(bad_stored_alignments)
{
    const size_t bad[] = {0, 1, 2, 4, 7, 24, 48, 100, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (int name = 0; name < STORE_NAMES; name++) {
            for (int size = 0; size < SIZES; size++) {
                void *block = &block;
                errno = MARK;
                CHECK_EQUAL(find_store(name)(&block, bad[i], sizes[size]), EINVAL);
                CHECK_EQUAL(errno, MARK);
                CHECK(block == &block);
            }
        }
    }
}

CASE(impossible)
{
    const size_t most = SIZE_MAX;
    const struct {
        size_t alignment;
        size_t size;
    } wishes[] = {{64, most},
                  {64, (size_t)PTRDIFF_MAX + 1},
                  {4096, most - 4096},
                  {65536, most - 65536},
                  {65536, most},
                  {(size_t)1 << 62, 1},
                  {(size_t)1 << 62, 16384},
                  {(size_t)1 << 63, 1},
                  {(size_t)1 << 63, most}};
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        for (int name = 0; name < ALIGNED_NAMES; name++) {
            errno = MARK;
            CHECK(find_aligned(name)(wishes[i].alignment, wishes[i].size) == NULL);
            CHECK_EQUAL(errno, ENOMEM);
        }
        for (int name = 0; name < STORE_NAMES; name++) {
            void *block = &block;
            errno = MARK;
            CHECK_EQUAL(find_store(name)(&block, wishes[i].alignment, wishes[i].size), ENOMEM);
            CHECK_EQUAL(errno, MARK);
            CHECK(block == &block);
        }
    }
}

CASE(size_zero)
{
    for (size_t alignment = sizeof(void *); alignment <= 65536; alignment *= 8) {
        void *block = &block;
        CHECK_EQUAL(posix_memalign(&block, alignment, check_hide_size(0)), 0);
        CHECK(block != &block && (uintptr_t)block % alignment == 0);
        free(block);
        free(aligned_alloc(alignment, check_hide_size(0)));
    }
}

CASE(page_calls)
{
    size_t page = (size_t)getpagesize();
    for (size_t size = 0; size <= 100000; size += size / 3 + 1) {
        char *block = valloc(size);
        check_block(block, page, size);
        free(block);
        block = pvalloc(size);
        size_t rounded = (size + page - 1) / page * page;
        check_block(block, page, rounded > 0 ? rounded : page);
        free(block);
    }
}

CASE(page_calls_impossible)
{
    const size_t impossible_sizes[] = {(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4095, SIZE_MAX};
    for (size_t i = 0; i < sizeof impossible_sizes / sizeof impossible_sizes[0]; i++) {
        errno = MARK;
        CHECK(check_hide(valloc(check_hide_size(impossible_sizes[i]))) == NULL);
        CHECK_EQUAL(errno, ENOMEM);
        errno = MARK;
        CHECK(check_hide(pvalloc(check_hide_size(impossible_sizes[i]))) == NULL);
        CHECK_EQUAL(errno, ENOMEM);
    }
}
