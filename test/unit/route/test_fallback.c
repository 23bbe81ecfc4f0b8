/* Tests of route/fallback.c, which calls mimalloc: mimalloc serves requests, errno is set when it fails, and blocks of
 * libc are given back to libc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "route/fallback.h"
#include "support/capture.h"
#include "support/crew.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */ };

/* If true, the functions of mimalloc below return a block that is not aligned as requested. */
static bool lies;

/* The functions below replace those of mimalloc, also in the library's code. For this they must be visible to the
 * linker. The compiler hides the tests' functions by default. */
#pragma GCC visibility push(default)

static void *take_unaligned(size_t alignment, size_t size)
{
    void *address = mi_malloc(size);
    while ((uintptr_t)address % alignment == 0) {
        address = mi_malloc(size);
    }
    return address;
}

void *mi_malloc_aligned(size_t size, size_t alignment)
{
    void *(*next)(size_t, size_t) = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, __func__);
    return lies ? take_unaligned(alignment, size) : next(size, alignment);
}

void *mi_malloc_aligned_at(size_t size, size_t alignment, size_t offset)
{
    void *(*next)(size_t, size_t, size_t) = (void *(*)(size_t, size_t, size_t))dlsym(RTLD_NEXT, __func__);
    return lies ? take_unaligned(alignment, size) : next(size, alignment, offset);
}

#pragma GCC visibility pop

static bool is_filled(const char *bytes, char value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

Test(fallback, serves_before_init)
{
    char *bytes = fallback_alloc(100);
    cr_assert_not_null(bytes);
    cr_assert_geq(fallback_usable_size(bytes), 100);
    memset(bytes, 'x', 100);
    bytes = fallback_resize(bytes, 100000);
    cr_assert_not_null(bytes);
    cr_assert(is_filled(bytes, 'x', 100));
    fallback_free(bytes);
    fallback_free(NULL);
}

Test(fallback, zeroed_is_zero_after_use)
{
    fallback_open();
    for (int i = 0; i < 100; i++) {
        char *bytes = fallback_alloc_zeroed(10, 100);
        cr_assert(is_filled(bytes, 0, 1000));
        memset(bytes, 'x', 1000);
        fallback_free(bytes);
    }
}

Test(fallback, aligns)
{
    fallback_open();
    for (size_t alignment = 8; alignment <= 1 << 20; alignment *= 2) {
        char *bytes = fallback_alloc_aligned(alignment, 100);
        cr_assert_not_null(bytes);
        cr_assert_eq((uintptr_t)bytes % alignment, 0);
        bytes[0] = bytes[99] = 1;
        fallback_free(bytes);
    }
}

/* mimalloc 2.0.9 assumes that each block of 256, 512 or 1024 bytes lies at a multiple of its size, which is not true.
 * The test allocates many blocks, because the first one of a page may be aligned by luck. */
Test(fallback, aligns_where_the_size_is_a_multiple_of_the_alignment)
{
    enum { BLOCKS = 64 };
    char *blocks[BLOCKS];
    fallback_open();
    for (size_t alignment = 8; alignment <= 65536; alignment *= 2) {
        for (size_t size = alignment; size <= 4 * alignment; size += alignment) {
            for (unsigned i = 0; i < BLOCKS; i++) {
                blocks[i] = fallback_alloc_aligned(alignment, size);
                cr_assert_not_null(blocks[i]);
                cr_assert_eq((uintptr_t)blocks[i] % alignment, 0, "(%zu, %zu) is %p", alignment, size,
                             (void *)blocks[i]);
                cr_assert_geq(fallback_usable_size(blocks[i]), size);
                memset(blocks[i], (int)i, size);
            }
            for (unsigned i = 0; i < BLOCKS; i++) {
                cr_assert(is_filled(blocks[i], (char)i, size));
                fallback_free(blocks[i]);
            }
        }
    }
}

Test(fallback, good_size_is_the_usable_size)
{
    fallback_open();
    for (size_t request = 1; request < 4096; request += 37) {
        void *bytes = fallback_alloc(request);
        cr_assert_geq(fallback_good_size(request), request);
        cr_assert_eq(fallback_good_size(request), fallback_usable_size(bytes));
        fallback_free(bytes);
    }
}

static void expect_no_memory(const void *result)
{
    cr_expect_null(result);
    cr_expect_eq(errno, ENOMEM, "errno is %d", errno);
    errno = UNUSUAL;
}

Test(fallback, failures_set_errno)
{
    fallback_open();
    char *bytes = fallback_alloc(100);
    memset(bytes, 'x', 100);
    /* the variables are volatile, so that the compiler does not see that no block can be so large */
    volatile size_t all = SIZE_MAX;
    volatile size_t half = PTRDIFF_MAX;
    errno = UNUSUAL;
    expect_no_memory(fallback_alloc(half));
    expect_no_memory(fallback_alloc(all));
    expect_no_memory(fallback_alloc_zeroed(1, all));
    expect_no_memory(fallback_alloc_aligned(4096, half - 4096));
    expect_no_memory(fallback_resize(bytes, all));
    cr_assert(is_filled(bytes, 'x', 100), "a block that cannot grow keeps its content");
    fallback_free(bytes);
}

static void run_out_of_memory(void *argument)
{
    (void)argument;
    fallback_open();
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){1 << 20, 1 << 20}) == 0);
    errno = UNUSUAL;
    CHECK(fallback_alloc((size_t)1 << 32) == NULL);
    CHECK(errno == ENOMEM);
}

Test(fallback, refusal_of_the_kernel_sets_errno)
{
    capture_clean(run_out_of_memory, NULL);
}

/* If mimalloc only returns blocks that are not aligned, the library returns NULL, because the program's vector
 * instructions would fault at such a block. */
Test(fallback, block_that_is_never_aligned_is_refused)
{
    fallback_open();
    lies = true;
    errno = UNUSUAL;
    expect_no_memory(fallback_alloc_aligned(256, 256));
    expect_no_memory(fallback_alloc_aligned(4096, 100));
}

/* mimalloc 2.0 returns NULL for sizes so large that their product or sum overflows, without calling its error handler,
 * so the library must set errno itself. */
Test(fallback, sizes_that_wrap_set_errno)
{
    fallback_open();
    volatile size_t all = SIZE_MAX;
    errno = UNUSUAL;
    expect_no_memory(fallback_alloc_zeroed(all / 2, 3));
    expect_no_memory(fallback_alloc_zeroed(all, all));
    expect_no_memory(fallback_alloc_aligned(4096, all - 4096));
    expect_no_memory(fallback_alloc_aligned(1 << 20, all - 4096));
}

Test(fallback, opening_keeps_errno)
{
    errno = UNUSUAL;
    fallback_open();
    cr_assert_eq(errno, UNUSUAL);
}

Test(fallback, trim_leaves_blocks_alone)
{
    char *bytes = fallback_alloc(5000);
    memset(bytes, 'x', 5000);
    fallback_trim();
    cr_assert(is_filled(bytes, 'x', 5000));
    fallback_free(bytes);
}

/* Returns a block of libc's own malloc. A library that was loaded with RTLD_DEEPBIND would get such blocks. */
static void *take_from_libc(size_t request)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    cr_assert_not_null(libc);
    void *(*take)(size_t) = (void *(*)(size_t))dlsym(libc, "malloc");
    cr_assert_not_null(take);
    char *bytes = take(request);
    cr_assert(bytes != NULL && (char *)sbrk(0) > bytes, "not from libc's heap");
    memset(bytes, 'x', request);
    return bytes;
}

Test(fallback, blocks_of_libc_are_recognised)
{
    fallback_open();
    void *ours = fallback_alloc(5000);
    char *bytes = take_from_libc(5000);
    cr_assert(fallback_is_foreign(bytes));
    cr_assert_not(fallback_is_foreign(ours));
    cr_assert_not(fallback_is_foreign(NULL));
    cr_assert_geq(fallback_usable_size(bytes), 5000);
    cr_assert_lt(fallback_usable_size(bytes), 5000 + 64);
    bytes = fallback_resize(bytes, 20000);
    cr_assert(is_filled(bytes, 'x', 5000));
    cr_assert((char *)sbrk(0) > bytes, "a block of libc stays in libc's heap");
    memset(bytes, 'y', 20000);
    char *next = take_from_libc(5000);
    fallback_free_foreign(bytes);
    /* libc returns this block again, which shows that the free has given it back to libc. */
    cr_assert_eq(take_from_libc(20000), bytes);
    fallback_free_foreign(next);
    fallback_free(ours);
}
