/* Tests of route/route_resize.c: when realloc leaves a block in place and when it moves the block to another bucket
 * (slots of another size). In both cases the block must keep its bytes. */
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

/* A large block of mimalloc stays with mimalloc when the block shrinks, even to a size that the pools serve. */
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

/* At its first growth a block must move to the next bucket that fits, and at its second growth to a bucket for 32
 * times the request. */
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

/* After LIMIT blocks that have grown, realloc may choose another bucket for the next blocks that grow for the first
 * time. */
enum { LIMIT = 32 };

/* Allocates a block of 4096 bytes, and resizes it to each of the sizes before the first 0 in `sizes`. The block must
 * keep its first 4096 bytes. Returns the block. */
static char *grow(const size_t sizes[])
{
    char *bytes = route_alloc(4096, NULL);
    fill(bytes, 0, 4096, 1);
    for (unsigned i = 0; sizes[i] != 0; i++) {
        bytes = resize(bytes, sizes[i]);
        expect_filled(bytes, 4096, 1);
    }
    return bytes;
}

/* Allocates `count` blocks one after the other, resizes each of them to `sizes` as `grow` does, and frees it.
 * Returns the bucket of the last block. */
static unsigned grow_and_free(unsigned count, const size_t sizes[])
{
    unsigned bucket = BUCKET_LIMIT;
    for (unsigned i = 0; i < count; i++) {
        char *bytes = grow(sizes);
        bucket = bucket_of(bytes);
        route_free("free", bytes);
    }
    return bucket;
}

static const size_t once[] = {9000, 0};
static const size_t twice[] = {9000, 20000, 0};

/* LIMIT blocks grow twice, the second time to 20000 bytes. After that, blocks that grow for the first time must move
 * to a bucket for four times 20000 bytes, so that they are copied only once. */
Test(route_realloc, later_blocks_move_once)
{
    static const size_t beyond[] = {9000, 20000, 140000, 0};
    house_lay_default();
    for (unsigned i = 0; i < LIMIT; i++) {
        char *bytes = grow(once);
        cr_assert_eq(bucket_of(bytes), B8K, "block %u", i);
        bytes = resize(bytes, 20000);
        cr_assert_eq(bucket_of(bytes), B1M);
        route_free("free", bytes);
    }
    char *bytes = grow(once);
    cr_assert_eq(bucket_of(bytes), B128K, "80000 bytes");
    for (size_t request = 9000; request <= house_plan.capacity[B128K]; request += 5000) {
        cr_assert_eq(resize(bytes, request), bytes);
    }
    cr_assert_eq(grow_and_free(1, beyond), B4M, "32 times the request");
    house_assert();
}

/* Lets so many blocks grow twice that later blocks move to the bucket of 128 KiB when they grow for the first time. */
static void learn(void)
{
    house_lay_default();
    grow_and_free(LIMIT, twice);
}

Test(route_realloc, later_blocks_go_to_smaller_buckets_if_they_stay_small)
{
    static const unsigned expected[] = {B128K, B64K, B32K, B16K, B8K, B8K};
    learn();
    for (unsigned block = 1; block < LIMIT * sizeof expected / sizeof expected[0]; block++) {
        cr_assert_eq(grow_and_free(1, once), expected[block / LIMIT], "block %u", block);
    }
    house_assert();
}

/* Blocks that grow go to the bucket of 128 KiB. If at least half of them grow to more than half of their slot, later
 * blocks must still go to this bucket. If fewer do so, later blocks go to a smaller bucket. A block that grows
 * several times in the upper half of its slot counts once. */
Test(route_realloc, later_blocks_keep_the_bucket_if_half_of_them_need_it)
{
    learn();
    size_t half = house_plan.capacity[B128K] / 2;
    const struct {
        size_t sizes[6];
        unsigned small;
        unsigned bucket;
    } cases[] = {
        {{9000, half + 1, 0}, 1, B128K},
        {{9000, half + 1, half + 2, half + 3, half + 4, 0}, 1, B128K},
        {{9000, half + 1, half + 2, half + 3, half + 4, 0}, 4, B64K},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (unsigned round = 0; round < LIMIT / 2; round++) {
            grow_and_free(cases[i].small, once);
            grow_and_free(1, cases[i].sizes);
        }
        cr_assert_eq(grow_and_free(1, once), cases[i].bucket, "case %u", i);
    }
    house_assert();
}

/* A third of the blocks grow to 1,200,000 bytes, and the others only to 9000 bytes. Large slots for all of them
 * would waste memory, so a block that grows for the first time must still move to the bucket of 8 KiB. */
Test(route_realloc, later_blocks_do_not_follow_the_few_that_grow_far)
{
    static const size_t far[] = {9000, 20000, 1200000, 0};
    house_lay_default();
    for (unsigned round = 0; round < 4 * LIMIT; round++) {
        cr_assert_eq(grow_and_free(2, once), B8K, "round %u", round);
        grow_and_free(1, far);
    }
    house_assert();
}

/* Blocks that grow for the first time get slots of 256 KiB here, of which they use little. If all slots of this
 * bucket together have 16 MiB, a block may only get one that is already carved and free. */
Test(route_realloc, later_blocks_share_16_mib)
{
    enum { MOST = 100, SPACE = 16 << 20 };
    static const size_t far[] = {9000, 60000, 0};
    static const size_t large[] = {9000, 200000, 0};
    char *live[MOST];
    unsigned count = 0;
    house_lay_default();
    grow_and_free(LIMIT, far);
    do {
        cr_assert_lt(count, (unsigned)MOST);
        live[count] = grow(large);
    } while (bucket_of(live[count++]) == B256K);
    size_t together = count * house_plan.stride[B256K];
    cr_assert(together >= SPACE && together < SPACE + 3 * house_plan.stride[B256K], "%zu bytes", together);
    cr_assert_eq(grow_and_free(1, once), B8K);
    route_free("free", live[0]);
    cr_assert_eq(grow_and_free(1, once), B256K, "there is a free slot");
    house_assert();
}

/* If the first growth of a block is to at least four times its size, the block must move to a much larger bucket, as
 * at a second growth. After a smaller first growth the block moves only to the next bucket that fits. */
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

/* When a block grows for the second time, realloc tries a much larger bucket, here that of 1 MiB. This range is too
 * small for a slot of 1 MiB, so the block must move to the smallest bucket that holds the request. */
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

/* Very many blocks grow twice and stay live. They may get large slots only until half of the range is carved. Later
 * blocks must get slots that just fit. */
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
