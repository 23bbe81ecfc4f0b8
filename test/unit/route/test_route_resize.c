/* Tests of route/route_resize.c: when realloc leaves a block in place, when it moves, and that it keeps its bytes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "route/route.h"
#include "support/crew.h"
#include "support/house.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */, ROUNDS = 3000, BLOCKS = 8, SMALL_SHIFT = 20 };

static char *resize(char *bytes, size_t request)
{
    return route_realloc("realloc", bytes, request, NULL);
}

static unsigned bucket_of(const void *address)
{
    return region_owns(address) ? (unsigned)region_find(address).bucket : BUCKET_LIMIT;
}

static uint32_t state_of(const void *address)
{
    return slot_meta_state(region_meta(region_number(address)));
}

/* Fills the bytes from `from` to `to` with a pattern. In this pattern each byte differs from its neighbours, and from
 * the byte that another seed gives for its place. */
static void fill(char *bytes, size_t from, size_t to, unsigned seed)
{
    for (size_t i = from; i < to; i++) {
        bytes[i] = (char)(i * 31 + i / 4096 + seed);
    }
}

static void expect_filled(const char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != (char)(i * 31 + i / 4096 + seed)) {
            cr_assert_fail("byte %zu of %zu has changed", i, size);
        }
    }
}

Test(route_realloc, nothing_becomes_a_block)
{
    house_lay_default();
    cr_assert_eq(bucket_of(resize(NULL, 16384)), B16K);
    cr_assert_not(region_owns(resize(NULL, 100)));
    cr_assert_not_null(resize(NULL, 0), "realloc(NULL, 0) is malloc(0)");
}

Test(route_realloc, to_zero_frees)
{
    house_lay_default();
    char *bytes = route_alloc(16384, NULL);
    cr_assert_null(resize(bytes, 0));
    cr_assert_eq(state_of(bytes), SLOT_FREE);
    cr_assert_null(resize(route_alloc(100, NULL), 0));
}

Test(route_realloc, stays_while_the_slot_has_room)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        size_t capacity = house_plan.capacity[bucket];
        size_t least = bucket == 0 ? 4096 : house_plan.capacity[bucket - 1] + 1;
        char *bytes = route_alloc(least, NULL);
        fill(bytes, 0, least, bucket);
        cr_assert_eq(resize(bytes, capacity), bytes);
        cr_assert_eq(route_usable_size("realloc", bytes), capacity);
        expect_filled(bytes, least, bucket);
        cr_assert_eq(resize(bytes, least), bytes);
        cr_assert_eq(route_usable_size("realloc", bytes), (least + 15) / 16 * 16);
        cr_assert_eq(resize(bytes, least), bytes);
        expect_filled(bytes, least, bucket);
        route_free("free", bytes);
    }
    house_assert();
}

Test(route_realloc, stays_down_to_a_quarter_and_moves_below)
{
    house_lay_default();
    for (unsigned bucket = B32K; bucket < house_plan.count; bucket++) {
        size_t quarter = house_plan.capacity[bucket] / 4;
        char *bytes = route_alloc(house_plan.size[bucket], NULL);
        fill(bytes, 0, house_plan.size[bucket], bucket);
        cr_assert_eq(resize(bytes, quarter), bytes);
        char *moved = resize(bytes, quarter - 1);
        cr_assert_neq(moved, bytes);
        cr_assert_eq(bucket_of(moved), route_bucket(quarter - 1));
        cr_assert_eq(state_of(bytes), SLOT_FREE, "the larger slot is free");
        expect_filled(moved, quarter - 1, bucket);
        route_free("free", moved);
    }
    house_assert();
}

/* Python's asyncio allocates 262,177 bytes and then keeps 1,500 of them. Such a block moves out of the pools. */
Test(route_realloc, shrinks_out_of_the_pools)
{
    house_lay_default();
    char *bytes = route_alloc(262177, NULL);
    fill(bytes, 0, 262177, 1);
    char *moved = resize(bytes, 1500);
    cr_assert_not(region_owns(moved));
    cr_assert_eq(state_of(bytes), SLOT_FREE);
    expect_filled(moved, 1500, 1);
    route_free("free", moved);
    house_assert();
}

Test(route_realloc, grows_out_of_the_pools)
{
    house_lay_default();
    char *bytes = route_alloc(4 << 20, NULL);
    fill(bytes, 0, 4 << 20, 1);
    char *moved = resize(bytes, (4 << 20) + 1);
    cr_assert_not(region_owns(moved));
    cr_assert_eq(state_of(bytes), SLOT_FREE);
    expect_filled(moved, 4 << 20, 1);
    route_free("free", moved);
}

Test(route_realloc, grows_into_the_pools)
{
    house_lay_default();
    char *bytes = route_alloc(1000, NULL);
    fill(bytes, 0, 1000, 1);
    bytes = resize(bytes, 2000);
    cr_assert_not(region_owns(bytes));
    bytes = resize(bytes, 16384);
    cr_assert_eq(bucket_of(bytes), B16K);
    expect_filled(bytes, 1000, 1);
}

/* A large block of mimalloc stays with mimalloc when it shrinks, even to a size that the pools serve. */
Test(route_realloc, large_blocks_of_mimalloc_shrink_there)
{
    house_lay_default();
    char *bytes = route_alloc(8 << 20, NULL);
    fill(bytes, 0, 100000, 1);
    bytes = resize(bytes, 100000);
    cr_assert_not(region_owns(bytes));
    expect_filled(bytes, 100000, 1);
    route_free("free", bytes);
}

/* At its first growth a block moves to the next bucket that fits, and at its second to a bucket for 32 times the
 * request. */
Test(route_realloc, second_growth_jumps)
{
    house_lay_default();
    char *bytes = route_alloc(4096, NULL);
    fill(bytes, 0, 4096, 1);
    bytes = resize(bytes, 9000);
    cr_assert_eq(bucket_of(bytes), B8K);
    char *jumped = resize(bytes, 20000);
    cr_assert_eq(bucket_of(jumped), B1M, "640000 bytes");
    cr_assert_eq(state_of(bytes), SLOT_FREE);
    expect_filled(jumped, 4096, 1);
    cr_assert_eq(route_usable_size("realloc", jumped), 20000, "the usable size is the request");
    /* from here on the block grows in place */
    for (size_t request = 20000; request <= house_plan.capacity[B1M]; request += 50000) {
        cr_assert_eq(resize(jumped, request), jumped);
        cr_assert_eq(route_usable_size("realloc", jumped), (request + 15) / 16 * 16);
    }
    expect_filled(jumped, 4096, 1);
}

/* A growth to at least four times the size counts like a second growth, so the block moves to a much larger bucket at
 * once. After a smaller first growth the block moves only to the next bucket that fits. */
Test(route_realloc, growth_by_leaps_jumps_at_once)
{
    house_lay_default();
    char *bytes = route_realloc("realloc", route_alloc(5000, NULL), 4 * 5000 - 1, NULL);
    cr_assert_eq(region_find(bytes).bucket, B16K);
    bytes = route_realloc("realloc", route_alloc(5000, NULL), 4 * 5000, NULL);
    cr_assert_eq(region_find(bytes).bucket, B1M, "640000 bytes");
    cr_assert_eq(route_realloc("realloc", bytes, 524288, NULL), bytes);
    house_assert();
}

/* A block that was moved to a much larger bucket uses less than a quarter of its slot. It must stay there as long as it
 * grows, and moves when it shrinks. */
Test(route_realloc, block_that_jumped_moves_only_when_it_shrinks)
{
    house_lay_default();
    char *bytes = resize(resize(route_alloc(4096, NULL), 9000), 20000);
    fill(bytes, 0, 20000, 1);
    cr_assert_eq(resize(bytes, 30000), bytes);
    cr_assert_eq(resize(bytes, 30000), bytes);
    char *moved = resize(bytes, 25000);
    cr_assert_eq(bucket_of(moved), B32K);
    cr_assert_eq(state_of(bytes), SLOT_FREE);
    expect_filled(moved, 20000, 1);
}

Test(route_realloc, jump_ends_at_the_largest_bucket)
{
    house_lay_default();
    char *bytes = resize(resize(route_alloc(65536, NULL), 131072), 300000);
    cr_assert_eq(bucket_of(bytes), B4M);
    fill(bytes, 0, 300000, 1);
    bytes = resize(bytes, 5 << 20);
    cr_assert_not(region_owns(bytes));
    expect_filled(bytes, 300000, 1);
    route_free("free", bytes);
    house_assert();
}

/* If the much larger bucket has no slot, the block moves to the next bucket that fits. */
Test(route_realloc, jump_into_a_full_range_takes_a_smaller_bucket)
{
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    char *bytes = resize(route_alloc(4096, NULL), 9000);
    fill(bytes, 0, 9000, 1);
    cr_assert_eq(house_limit(B1M, SMALL_SHIFT), 0);
    bytes = resize(bytes, 20000);
    cr_assert_eq(bucket_of(bytes), B16K);
    expect_filled(bytes, 9000, 1);
    house_assert();
}

/* A server may have very many blocks that have grown. Such blocks must not take more than half of the range with their
 * large slots. */
Test(route_realloc, jumps_leave_half_of_the_range)
{
    enum { SHIFT = 26 };
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SHIFT);
    unsigned jumps = 0, others = 0;
    while (others < BLOCKS && jumps < ROUNDS) {
        char *bytes = resize(resize(route_alloc(4096, NULL), 13000), 21000);
        cr_assert(region_owns(bytes));
        jumps += bucket_of(bytes) > B32K;
        others += bucket_of(bytes) <= B32K;
    }
    cr_assert_gt(jumps, 10);
    cr_assert_eq(others, BLOCKS);
    cr_assert_leq(region_front(), ((uint32_t)1 << (SHIFT - REGION_SHIFT)) * 3 / 4);
    house_assert();
}

Test(route_realloc, failure_leaves_the_block)
{
    house_lay_default();
    fallback_open();
    static const size_t requests[] = {100, 16384, 1 << 20, 5 << 20};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        char *bytes = route_alloc(requests[i], NULL);
        fill(bytes, 0, requests[i], 1);
        errno = UNUSUAL;
        cr_assert_null(resize(bytes, PTRDIFF_MAX));
        cr_assert_eq(errno, ENOMEM);
        cr_assert_null(resize(bytes, SIZE_MAX));
        expect_filled(bytes, requests[i], 1);
        cr_assert_geq(route_usable_size("realloc", bytes), requests[i]);
        route_free("free", bytes);
    }
    house_assert();
}

/* Fills all bytes that route_usable_size grants for the block, and returns how many they are. */
static size_t fill_granted(char *bytes, unsigned seed)
{
    size_t granted = route_usable_size("malloc_usable_size", bytes);
    fill(bytes, 0, granted, seed);
    return granted;
}

/* realloc keeps all bytes that malloc_usable_size grants and not only those of the request, because redis uses them. */
Test(route_realloc, keeps_all_granted_bytes)
{
    static const size_t requests[] = {1, 100, 4097, 8191, 12289, 69631, 262177, 4194303, 4194305};
    enum { REQUESTS = sizeof requests / sizeof requests[0] };
    house_lay_default();
    for (unsigned from = 0; from < REQUESTS; from++) {
        for (unsigned to = 0; to < REQUESTS; to++) {
            char *bytes = route_alloc(requests[from], NULL);
            size_t granted = fill_granted(bytes, from);
            bytes = resize(bytes, requests[to]);
            expect_filled(bytes, granted < requests[to] ? granted : requests[to], from);
            fill_granted(bytes, to);
            route_free("free", bytes);
        }
    }
    house_assert();
}

/* Resizes a block at random, into the pools and out of them. The block must keep all usable bytes that it had before,
 * as far as they fit into the new request. */
Test(route_realloc, random_walks_keep_the_bytes)
{
    static struct {
        char *bytes;
        size_t size;
    } blocks[BLOCKS];
    uint64_t random = 1;
    house_lay_default();
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned at = (unsigned)(crew_random(&random) % BLOCKS);
        size_t wanted = 1 + crew_random(&random) % ((size_t)1 << (4 + random % 20));
        size_t common = wanted < blocks[at].size ? wanted : blocks[at].size;
        blocks[at].bytes = resize(blocks[at].bytes, wanted);
        cr_assert_not_null(blocks[at].bytes);
        cr_assert_geq(route_usable_size("realloc", blocks[at].bytes), wanted);
        expect_filled(blocks[at].bytes, common, at);
        blocks[at].size = fill_granted(blocks[at].bytes, at);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        expect_filled(blocks[i].bytes, blocks[i].size, i);
        route_free("free", blocks[i].bytes);
    }
    house_assert();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(house_metadata(bucket, SLOT_LIVE), 0);
    }
}
