/* Tests of route/route.c: which requests the pools serve, which ones mimalloc serves, and the usable sizes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "route/route.h"
#include "support/house.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */, EVERYTHING = 1 << 30, SMALL_SHIFT = 20, TINY_SHIFT = 18 };

static bool is_zero(const char *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static unsigned bucket_of(const void *address)
{
    return region_owns(address) ? (unsigned)region_find(address).bucket : BUCKET_LIMIT;
}

Test(route, everything_falls_through_before_init)
{
    cr_assert_not(route_is_pooled(0));
    cr_assert_not(route_is_pooled(4096));
    cr_assert_not(route_is_pooled(SIZE_MAX));
    char *bytes = route_alloc(16384, NULL);
    cr_assert(bytes != NULL && !region_owns(bytes));
    bytes = route_realloc("realloc", bytes, 20000, NULL);
    cr_assert_geq(route_usable_size("malloc_usable_size", bytes), 20000);
    route_free("free", bytes);
    bytes = route_alloc_zeroed(4, 4096, NULL);
    cr_assert(is_zero(bytes, 16384));
    route_free("free", bytes);
    route_free("free", NULL);
}

/* mimalloc has served a block before start-up. After start-up this block can be freed and resized. */
Test(route, blocks_from_before_init_are_known)
{
    char *first = route_alloc(16384, NULL);
    char *second = route_alloc(16384, NULL);
    memset(second, 'x', 16384);
    house_lay_default();
    route_free("free", first);
    second = route_realloc("realloc", second, 40000, NULL);
    cr_assert(region_owns(second));
    cr_assert(second[0] == 'x' && memcmp(second, second + 1, 16383) == 0);
}

Test(route, pools_serve_from_minimum_to_maximum)
{
    static const size_t pooled[] = {4096, 4097, 8192, 16390, 85000, 4194303, 4194304};
    static const size_t others[] = {0, 1, 100, 4095, 4194305, 10 << 20};
    house_lay_default();
    for (size_t i = 0; i < sizeof pooled / sizeof pooled[0]; i++) {
        cr_assert(route_is_pooled(pooled[i]));
        char *bytes = route_alloc(pooled[i], NULL);
        cr_assert(region_owns(bytes), "the pools must serve %zu bytes", pooled[i]);
        cr_assert_eq(bucket_of(bytes), route_bucket(pooled[i]));
        memset(bytes, 'x', pooled[i]);
        route_free("free", bytes);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_not(route_is_pooled(others[i]));
        void *bytes = route_alloc(others[i], NULL);
        cr_assert(bytes != NULL && !region_owns(bytes), "mimalloc must serve %zu bytes", others[i]);
        route_free("free", bytes);
    }
    cr_assert_not(route_is_pooled(SIZE_MAX));
    cr_assert_not(route_is_pooled(PTRDIFF_MAX));
    house_assert();
}

Test(route, free_keeps_errno)
{
    void *taken[200];
    house_lay_default();
    for (unsigned i = 0; i < 200; i++) {
        taken[i] = route_alloc(i % 2 == 0 ? 16384 : 131072, NULL);
    }
    errno = UNUSUAL;
    for (unsigned i = 0; i < 200; i++) {
        route_free("free", taken[i]);
    }
    cr_assert_eq(errno, UNUSUAL);
}

Test(route, zeroed_is_zero_fresh_reused_and_purged)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        size_t request = house_plan.size[bucket];
        for (unsigned round = 0; round < 4; round++) {
            char *bytes = route_alloc_zeroed(16, request / 16, NULL);
            cr_assert_eq(bucket_of(bytes), route_bucket(request));
            cr_assert(is_zero(bytes, request), "%zu bytes, round %u", request, round);
            memset(bytes, 'x', request);
            route_free("free", bytes);
            if (round == 1) {
                pool_trim(EVERYTHING);
            }
        }
    }
    house_assert();
}

/* A slot serves requests of 20480, 12289 and again 20480 bytes. The last calloc must clear the whole block, also the
 * bytes of the first block that lie behind the end of the second one. */
Test(route, zeroed_covers_a_longer_request_than_the_last)
{
    house_lay_default();
    char *bytes = route_alloc(20480, NULL);
    memset(bytes, 'x', 20480);
    route_free("free", bytes);
    cr_assert_eq(route_alloc_zeroed(1, 12289, NULL), bytes);
    cr_assert(is_zero(bytes, 12289));
    route_free("free", bytes);
    cr_assert_eq(route_alloc_zeroed(1, 20480, NULL), bytes);
    cr_assert(is_zero(bytes, 20480));
}

/* calloc clears all bytes that malloc_usable_size reports, because glibc does so and programs rely on it. */
Test(route, zeroed_covers_the_usable_size)
{
    house_lay_default();
    char *bytes = route_alloc(20480, NULL);
    memset(bytes, 'x', 20480);
    route_free("free", bytes);
    cr_assert_eq(route_alloc_zeroed(1, 16385, NULL), bytes);
    cr_assert_eq(route_usable_size("malloc_usable_size", bytes), 16400);
    cr_assert(is_zero(bytes, 16400));
    cr_assert_eq(bytes[16400], 'x', "the bytes behind them are not cleared");
}

Test(route, zeroed_small_falls_through)
{
    house_lay_default();
    char *bytes = route_alloc_zeroed(10, 100, NULL);
    cr_assert(!region_owns(bytes) && is_zero(bytes, 1000));
    route_free("free", bytes);
}

Test(route, zeroed_refuses_a_product_that_wraps)
{
    house_lay_default();
    fallback_open();
    errno = UNUSUAL;
    cr_assert_null(route_alloc_zeroed(SIZE_MAX / 4096 + 2, 4096, NULL), "the product would wrap round to 4096");
    cr_assert_eq(errno, ENOMEM);
    cr_assert_null(route_alloc_zeroed((size_t)1 << 32, (size_t)1 << 32, NULL));
    cr_assert_eq(house_figures(B4K)->requests, 0);
}

Test(route, alignments_up_to_a_page_are_the_pools)
{
    house_lay_default();
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
            void *bytes = route_alloc_aligned(alignment, house_plan.size[bucket], NULL);
            cr_assert(region_owns(bytes));
            cr_assert_eq((uintptr_t)bytes % alignment, 0);
            route_free("free", bytes);
        }
        char *small = route_alloc_aligned(alignment, 100, NULL);
        cr_assert(small != NULL && !region_owns(small) && (uintptr_t)small % alignment == 0);
        route_free("free", small);
    }
    house_assert();
}

Test(route, wider_alignments_fall_through_and_are_counted)
{
    house_lay_default();
    for (size_t alignment = 8192; alignment <= 1 << 20; alignment *= 2) {
        uint64_t before = house_figures(B16K)->fell_through;
        void *bytes = route_alloc_aligned(alignment, 16390, NULL);
        cr_assert(bytes != NULL && !region_owns(bytes));
        cr_assert_eq((uintptr_t)bytes % alignment, 0);
        cr_assert_eq(house_figures(B16K)->fell_through, before + 1);
        route_free("free", bytes);
    }
    route_free("free", route_alloc_aligned(8192, 100, NULL));
    cr_assert_eq(house_figures(B4K)->fell_through, 0,
                 "a request of a size that the pools do not serve does not count as fallen through");
}

/*
 * While memory is tight, a request that would leave much of its slot unused gets a block of mimalloc, or a block in a
 * packed slot, which several blocks share. Such blocks are only aligned to 16 bytes. So if a program requests the
 * alignment of a page, the library must align the block itself.
 */
Test(route, page_alignment_holds_while_memory_is_tight)
{
    enum { BLOCKS = 20, PAGE = 4096 };
    house_lay_default();
    pool_make_tight();
    for (int i = 0; i < BLOCKS; i++) {
        char *bytes = route_alloc_aligned(PAGE, 12295, NULL);
        cr_assert(bytes != NULL && !region_owns(bytes));
        cr_assert_eq((uintptr_t)bytes % PAGE, 0, "block %d", i);
    }
}

Test(route, usable_size_is_the_request_rounded_to_16)
{
    static const struct {
        size_t request;
        size_t usable;
    } rows[] = {{4096, 4096},     {4097, 4112}, {16390, 16400},     {16400, 16400},    {20480, 20480},
                {262177, 262192}, {8191, 8192}, {4194303, 4194304}, {4194304, 4194304}};
    house_lay_default();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *bytes = route_alloc(rows[i].request, NULL);
        cr_assert_eq(route_usable_size("malloc_usable_size", bytes), rows[i].usable);
        cr_assert_eq(route_good_size(rows[i].request), rows[i].usable);
        memset(bytes, 'x', rows[i].usable);
        cr_assert_eq(route_usable_size("malloc_usable_size", bytes), rows[i].usable);
        route_free("free", bytes);
    }
}

Test(route, usable_size_of_mimallocs_blocks)
{
    house_lay_default();
    for (size_t request = 1; request < 4096; request += 41) {
        void *bytes = route_alloc(request, NULL);
        cr_assert_geq(route_usable_size("malloc_usable_size", bytes), request);
        cr_assert_eq(route_good_size(request), fallback_good_size(request));
        route_free("free", bytes);
    }
    cr_assert_eq(route_usable_size("malloc_usable_size", NULL), 0);
}

/* If the range is full, mimalloc serves the request, and the statistics count the request as fallen through. If a
 * slot is then freed, the next request gets this slot. */
Test(route, full_region_falls_through)
{
    static void *taken[1000];
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    uint32_t limit = house_limit(B16K, SMALL_SHIFT);
    for (uint32_t i = 0; i < limit; i++) {
        taken[i] = route_alloc(16390, NULL);
        cr_assert(region_owns(taken[i]));
    }
    char *first = route_alloc(16390, NULL);
    char *second = route_alloc_zeroed(1, 16390, NULL);
    cr_assert(first != NULL && !region_owns(first));
    cr_assert(second != NULL && !region_owns(second) && is_zero(second, 16390));
    memset(first, 'x', 16390);
    cr_assert_eq(house_figures(B16K)->fell_through, 2);
    cr_assert_eq(house_figures(B16K)->fell_through_asked, 2 * 16390);
    route_free("free", taken[3]);
    cr_assert_eq(route_alloc(16390, NULL), taken[3]);
    route_free("free", first);
    route_free("free", second);
    house_assert();
}

/* A slot for 4 MiB would be longer than the whole range, as can happen under a small RLIMIT_AS. So mimalloc serves
 * the request. */
Test(route, region_without_slots_falls_through)
{
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, TINY_SHIFT);
    cr_assert_eq(house_limit(B4M, TINY_SHIFT), 0);
    char *bytes = route_alloc(4 << 20, NULL);
    cr_assert(bytes != NULL && !region_owns(bytes));
    memset(bytes, 'x', 4 << 20);
    cr_assert_eq(house_figures(B4M)->fell_through, 1);
    route_free("free", bytes);
    cr_assert(region_owns(route_alloc(4096, NULL)), "the pools serve small requests");
    house_assert();
}

/* Tests the lowest value of SOCKMALLOC_MIN. The pools never serve a smaller request. */
Test(route, floor_is_the_lowest_minimum)
{
    struct bucket_settings settings = house_defaults();
    settings.minimum = BUCKET_REQUEST_FLOOR;
    house_lay(&settings, HOUSE_SHIFT);
    /* in the first round malloc takes the slow path, and in the second the fast path */
    for (int i = 0; i < 2; i++) {
        cr_assert(region_owns(route_alloc(BUCKET_REQUEST_FLOOR, NULL)));
        cr_assert(region_owns(route_alloc_zeroed(1, BUCKET_REQUEST_FLOOR, NULL)));
        cr_assert_not(region_owns(route_alloc(BUCKET_REQUEST_FLOOR - 1, NULL)));
        cr_assert_not(region_owns(route_alloc_zeroed(1, BUCKET_REQUEST_FLOOR - 1, NULL)));
    }
}
