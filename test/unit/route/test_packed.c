/* Tests of packed slots: slots that several blocks share while memory is tight (was refused, or is close to a
 * limit). */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <sockmalloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "memory/region.h"
#include "pool/pool.h"
#include "route/packed.h"
#include "route/route.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/steps.h"

/*
 * REQUEST bytes are served by a block of BLOCK bytes, and BLOCKS such blocks fit into a slot of 256 KiB with 4 KiB of
 * headroom. OTHER bytes are served by a block of OTHER_BLOCK bytes, also in a slot of 256 KiB.
 */
enum { REQUEST = 16390, BLOCK = 17408, SLOT = 266240, BLOCKS = 15, OTHER = 23000, OTHER_BLOCK = 23552 };
enum { MANY = 4 * BLOCKS, THREADS = 4, ROUNDS = 20000 };

static char *taken[MANY];

static void lay(void)
{
    house_lay_default();
    pool_make_tight();
}

static char *take(size_t request)
{
    char *bytes = route_alloc(request, NULL);
    cr_assert(bytes != NULL && packed_size("test", bytes) >= request);
    memset(bytes, 'x', packed_size("test", bytes));
    return bytes;
}

static void give(void *address)
{
    route_free("free", address);
}

static void take_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        taken[i] = take(REQUEST);
    }
}

static void *slot_of(const void *address)
{
    return region_slot(region_find(address).number);
}

Test(packed, only_while_memory_is_tight)
{
    house_lay_default();
    char *bytes = route_alloc(REQUEST, NULL);
    cr_assert(region_find(bytes).exact);
    pool_make_tight();
    cr_assert_not(region_find(take(REQUEST)).exact);
    house_assert();
}

/* The kernel refuses a request that no machine can serve, although memory is not short. The library must not take
 * this refusal as a sign that memory is tight. */
Test(packed, absurd_requests_do_not_make_memory_tight)
{
    /* volatile, because the compiler would otherwise see the numbers and warn */
    static volatile const size_t cases[][2] = {{1, (size_t)1 << 50}, {(size_t)1 << 50, 4 << 20}};
    house_lay_default();
    house_carve(B4M, 2);
    mapped_open(0, 0);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_null(route_alloc_aligned(cases[i][0], cases[i][1], NULL));
        cr_assert_not(pool_is_known_tight(), "case %u", i);
    }
}

Test(packed, blocks_share_a_slot)
{
    lay();
    take_many(BLOCKS + 1);
    for (unsigned i = 0; i < BLOCKS; i++) {
        cr_assert_eq((uintptr_t)taken[i] % 16, 0);
        cr_assert_eq(packed_size("test", taken[i]), (size_t)BLOCK);
        cr_assert_eq(taken[i], (char *)slot_of(taken[0]) + SLOT - (i + 1) * BLOCK);
    }
    cr_assert_neq(slot_of(taken[BLOCKS]), slot_of(taken[0]));
    cr_assert_eq(house_live(B256K), 2);
    cr_assert_eq(region_request(region_number(slot_of(taken[0]))), (size_t)BLOCKS * BLOCK);
    house_assert();
}

/* Checks for each class of requests that all blocks lie inside their slot, none of them at its start, and that no two
 * overlap. */
Test(packed, every_class_fits_its_slot)
{
    lay();
    for (size_t request = 4097; request < 65536; request += 16) {
        if (!packed_suits(request)) {
            continue;
        }
        char *first = packed_alloc(request, NULL);
        char *slot = slot_of(first);
        size_t size = packed_size("test", first);
        size_t stride = region.geometry[region_find(first).bucket].stride;
        cr_assert(size >= request && size - request <= request / 16, "%zu bytes get %zu", request, size);
        cr_assert_eq(size % 16, 0);
        cr_assert_eq(first + size, slot + stride);
        unsigned count = 1;
        char *lowest = first;
        for (char *next = packed_alloc(request, NULL); slot_of(next) == slot; next = packed_alloc(request, NULL)) {
            cr_assert_eq(next + size, lowest);
            lowest = next;
            count++;
        }
        cr_assert_geq(lowest, slot + 16);
        cr_assert_geq(count * size * 17, stride * 15, "the slot of %zu bytes is not full", request);
        request = size; /* the next larger request belongs to the next class */
    }
    house_assert();
}

Test(packed, last_free_frees_the_slot)
{
    lay();
    take_many(BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        cr_assert_eq(house_live(B256K), 1, "block %u", i);
        give(taken[(i * 4 + 2) % BLOCKS]);
    }
    cr_assert_eq(house_live(B256K), 0);
    cr_assert_eq(house_metadata(B256K, SLOT_FREE), 1);
    house_assert();
    cr_assert_eq(slot_of(take(REQUEST)), slot_of(taken[0]), "the slot is divided again");
    house_assert();
}

/* When all blocks of a packed slot have been freed, the slot can serve a single request again. */
Test(packed, slot_serves_whole_requests_afterwards)
{
    lay();
    char *bytes = take(REQUEST);
    char *slot = slot_of(bytes);
    give(bytes);
    char *whole = route_alloc(262144, NULL);
    cr_assert_eq(whole, slot);
    cr_assert_eq(route_usable_size("malloc_usable_size", whole), 262144);
    cr_assert_eq(packed_capacity(bytes), 0);
    give(whole);
    house_assert();
}

Test(packed, free_block_is_used_before_another_slot)
{
    lay();
    take_many(MANY);
    for (unsigned i = 0; i < MANY; i += 7) {
        give(taken[i]);
    }
    for (unsigned i = 0; i < MANY; i += 7) {
        taken[i] = take(REQUEST);
    }
    cr_assert_eq(house_live(B256K), MANY / BLOCKS);
    for (unsigned i = 0; i < MANY; i++) {
        for (unsigned other = 0; other < i; other++) {
            cr_assert_neq(taken[i], taken[other]);
        }
        give(taken[i]);
    }
    cr_assert_eq(house_live(B256K), 0);
    house_assert();
}

/*
 * Each class is for blocks of one size, and has a list of packed slots with free blocks. If such a slot is freed, its
 * header stays on the list for a while. The header must not be used any more, even if the slot now serves another
 * class.
 */
Test(packed, header_of_a_freed_slot_is_not_used)
{
    lay();
    give(take(REQUEST));
    char *other = take(OTHER);
    cr_assert_eq(house_live(B256K), 1);
    char *bytes = take(REQUEST);
    cr_assert_neq(slot_of(bytes), slot_of(other));
    cr_assert_eq(packed_size("test", other), (size_t)OTHER_BLOCK);
    cr_assert_eq(packed_size("test", bytes), (size_t)BLOCK);
    give(other);
    give(bytes);
    cr_assert_eq(house_live(B256K), 0);
    house_assert();
}

Test(packed, zeroed_blocks_are_zero)
{
    lay();
    take_many(BLOCKS);
    give(taken[3]);
    char *bytes = route_alloc_zeroed(10, REQUEST / 10, NULL);
    cr_assert_eq(bytes, taken[3]);
    for (unsigned i = 0; i < BLOCK; i++) {
        cr_assert_eq(bytes[i], 0, "byte %u", i);
    }
    cr_assert_eq(taken[2][0], 'x');
    cr_assert_eq(taken[4][BLOCK - 1], 'x');
}

/* Allocates two blocks of `size` bytes while memory is tight, and expects that they share a slot and that calloc clears
 * a block that was used before. */
static void expect_sharing(size_t size)
{
    char *first = take(size);
    char *second = take(size);
    cr_assert_eq(slot_of(first), slot_of(second));
    give(second);
    cr_assert_eq(route_alloc_zeroed(1, size, NULL), second);
    for (size_t i = 0; i < size; i++) {
        cr_assert_eq(second[i], 0, "byte %zu", i);
    }
    give(first);
    give(second);
}

Test(packed, requests_below_the_pools_sizes_share_slots)
{
    route_watch_small(false);
    house_lay_default();
    char *before = route_alloc(PACKED_LEAST, NULL);
    cr_assert_not(region_owns(before));
    pool_make_tight();
    expect_sharing(BUCKET_REQUEST_FLOOR + 52);
    give(take(REQUEST)); /* the slow path of malloc notices that memory is tight */
    expect_sharing(PACKED_LEAST);
    char *smaller = route_alloc(PACKED_LEAST - 1, NULL);
    cr_assert_not(region_owns(smaller));
    route_free("free", smaller);
    route_free("free", before);
    house_assert();
}

/*
 * While memory is tight, small requests share slots. They must still do so after the library has begun and ended the
 * sampling of small requests, because tight memory and sampling both change the limit below which requests go to
 * mimalloc.
 */
Test(packed, small_requests_share_slots_after_sampling)
{
    route_watch_small(false);
    lay();
    cr_assert(route_sample_small(UINT64_MAX));
    give(take(REQUEST));
    expect_sharing(PACKED_LEAST);
    cr_assert(route_sample_small(0));
    expect_sharing(PACKED_LEAST);
    house_assert();
}

Test(packed, aligned_blocks_are_aligned)
{
    lay();
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        char *bytes = route_alloc_aligned(alignment, REQUEST, NULL);
        cr_assert_eq((uintptr_t)bytes % alignment, 0);
        give(bytes);
    }
    cr_assert_eq(house_live(B256K), 0);
    house_assert();
}

/* Returns true if the first `size` bytes are the letter that the tests of realloc write. */
static bool is_filled(const char *bytes, size_t size)
{
    return bytes[0] == 'y' && memcmp(bytes, bytes + 1, size - 1) == 0;
}

Test(packed, resize_stays_or_keeps_the_bytes)
{
    lay();
    char *bytes = take(REQUEST);
    cr_assert_eq(route_usable_size("malloc_usable_size", bytes), (size_t)BLOCK);
    cr_assert_eq(route_realloc("realloc", bytes, BLOCK, NULL), bytes);
    cr_assert_eq(route_realloc("realloc", bytes, BLOCK / 4, NULL), bytes);
    cr_assert_eq(route_usable_size("malloc_usable_size", bytes), (size_t)BLOCK);
    memset(bytes, 'y', BLOCK);
    char *grown = route_realloc("realloc", bytes, 24000, NULL);
    cr_assert(grown != bytes && packed_size("test", grown) >= 24000);
    cr_assert(is_filled(grown, BLOCK));
    char *large = route_realloc("realloc", grown, 300000, NULL);
    cr_assert(is_filled(large, BLOCK));
    char *small = route_realloc("realloc", large, REQUEST, NULL);
    small = route_realloc("realloc", small, 1000, NULL);
    cr_assert(is_filled(small, 1000));
    cr_assert_not(region_owns(small));
    cr_assert_null(route_realloc("realloc", take(REQUEST), 0, NULL));
    give(small);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(house_live(bucket), 0);
    }
    house_assert();
}

/* The range has 512 KiB, which is space for only one slot of 256 KiB. A second size of blocks would need another
 * such slot. Its request must get a free block of the larger size instead. */
Test(packed, larger_class_serves_when_memory_is_out)
{
    enum { RANGE_SHIFT = 19 };
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, RANGE_SHIFT);
    pool_make_tight();
    char *large = take(OTHER);
    char *bytes = take(REQUEST);
    cr_assert_eq(slot_of(bytes), slot_of(large));
    cr_assert_eq(packed_size("test", bytes), (size_t)OTHER_BLOCK);
    give(large);
    give(bytes);
    cr_assert_eq(house_live(B256K), 0);
    house_assert();
}

/* A block in a packed slot has no slack (bytes of its slot in which the program can store data of its own), because the
 * bytes behind it belong to the next block. */
Test(packed, blocks_have_no_slack)
{
    lay();
    char *bytes = take(REQUEST);
    size_t size = 1;
    cr_assert_eq(sockmalloc_slack_room(bytes), 0);
    cr_assert_null(sockmalloc_slack_alloc(bytes, 16, 16));
    cr_assert_null(sockmalloc_slack(bytes, &size));
    cr_assert_eq(size, 0);
    sockmalloc_slack_free(bytes);
    cr_assert_eq(packed_size("test", bytes), (size_t)BLOCK);
}

/* Slack is data that the program stores at the end of a block's slot. realloc copies the slack if the block moves to a
 * slot of its own. realloc drops the slack if the block moves to a packed slot. */
Test(packed, slack_ends_when_a_block_moves_to_a_packed_slot)
{
    house_lay_default();
    char *bytes = route_alloc(4100, NULL);
    cr_assert_not_null(sockmalloc_slack_alloc(bytes, 16, 16));
    memset(bytes, 'y', 4100);
    pool_make_tight();
    bytes = route_realloc("realloc", bytes, REQUEST, NULL);
    size_t size = 1;
    char *slack = sockmalloc_slack(bytes, &size);
    cr_assert(region_find(bytes).exact ? slack != NULL : slack == NULL);
    cr_assert(is_filled(bytes, 4100));
    give(bytes);
    house_assert();
}

static void resize(void *address)
{
    route_realloc("realloc", address, 100, NULL);
}

static void ask(void *address)
{
    route_usable_size("malloc_usable_size", address);
}

static void expect_death(capture_work *sin, const char *call, char *address, const char *what)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s(%p): %s", call, (void *)address, what);
    capture_abort(sin, address, wanted);
}

Test(packed, misuse_ends_the_process)
{
    static const char *const freed = "freed already: one of several blocks that share a slot\n";
    lay();
    take_many(BLOCKS);
    give(taken[4]);
    expect_death(give, "free", taken[4], freed);
    expect_death(resize, "realloc", taken[4], freed);
    expect_death(ask, "malloc_usable_size", taken[4], freed);
    for (unsigned inner = 16; inner < BLOCK; inner += 1040) {
        expect_death(give, "free", taken[5] + inner, "bucket 256k, slot");
    }
    expect_death(resize, "realloc", taken[5] + 4096, "bucket 256k, slot");
    expect_death(ask, "malloc_usable_size", taken[5] + 8, "bucket 256k, slot");
    expect_death(give, "free", (char *)slot_of(taken[0]) + 16, "bucket 256k, slot");
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (i != 4) {
            give(taken[i]);
        }
    }
    expect_death(give, "free", taken[5], "bucket 256k, slot");
}

/* --- several threads --- */

static _Atomic(char *) shared[MANY];

/*
 * Runs as a thread: puts blocks into places that all threads share, and frees the blocks that it finds there. So most
 * blocks are freed by another thread than the one that has allocated them, and the last block of a slot is freed while
 * other threads allocate.
 */
static void exchange(unsigned number)
{
    uint64_t state = number + 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t drawn = crew_random(&state);
        char *bytes = NULL;
        if (drawn % 5 < 2) {
            size_t request = drawn / 8 % 2 == 0 ? REQUEST : OTHER;
            bytes = route_alloc(request, NULL);
            if (!CHECK(bytes != NULL)) {
                return;
            }
            uintptr_t name = (uintptr_t)bytes;
            memcpy(bytes, &name, sizeof name);
            memcpy(bytes + request - sizeof name, &name, sizeof name);
        }
        char *old = atomic_exchange(&shared[drawn / 16 % MANY], bytes);
        if (old != NULL) {
            uintptr_t name = (uintptr_t)old;
            CHECK(memcmp(old, &name, sizeof name) == 0);
            route_free("free", old);
        }
    }
}

static void give_all_shared(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        route_free("free", shared[i]);
    }
}

Test(packed, threads_share_slots, .timeout = 60)
{
    lay();
    crew_run(THREADS, exchange);
    give_all_shared();
    cr_assert_eq(house_live(B256K), 0);
    house_assert();
}

/* --- a handler, or another thread, comes between any two instructions --- */

/*
 * A request of LITTLE bytes shares a slot of 128 KiB with LITTLE_BLOCKS - 1 others. Slots of this size are the smallest
 * that no thread's magazine holds. The test uses small slots because finding the start of a small slot takes few
 * instructions.
 */
enum { LITTLE = 4200, LITTLE_BLOCKS = 31 };

/* Both the work and the signal handler that interrupts it allocate a block or free one. */
enum deed { TAKES, GIVES };

/* the block that the interrupted code has allocated, and the block that the signal handler has allocated */
static char *made[2];
static unsigned live_count; /* how many blocks of `taken` are live before the work */

static void work_take(void)
{
    made[0] = packed_alloc(LITTLE, NULL);
}

static void work_give(void)
{
    route_free("free", taken[live_count - 1]); /* frees the block that is nearest to the start of the slot */
    taken[live_count - 1] = NULL;
}

static void between_take(void *unused)
{
    (void)unused;
    made[1] = packed_alloc(LITTLE, NULL);
}

static void between_give(void *unused)
{
    (void)unused;
    route_free("free", taken[0]);
    taken[0] = NULL;
}

/* Checks that no two blocks are the same, and frees all blocks. */
static void give_what_is_left(void)
{
    char **all[MANY + 2];
    for (unsigned i = 0; i < live_count + 2; i++) {
        all[i] = i < live_count ? &taken[i] : &made[i - live_count];
        for (unsigned other = 0; other < i && *all[i] != NULL; other++) {
            cr_assert_neq(*all[i], *all[other]);
        }
    }
    for (unsigned i = 0; i < live_count + 2; i++) {
        route_free("free", *all[i]);
        *all[i] = NULL;
    }
}

/* Runs `work`, interrupts it by `between` after instruction `at`, and frees all blocks. Returns false if the work has
 * fewer instructions. */
static bool stop_one(unsigned at, enum deed work, enum deed between)
{
    for (unsigned i = 0; i < live_count; i++) {
        taken[i] = packed_alloc(LITTLE, NULL);
    }
    bool stopped = steps_run(at, work == TAKES ? work_take : work_give, between == TAKES ? between_take : between_give);
    give_what_is_left();
    cr_assert_eq(house_live(B128K), 0, "after %u instructions of %s", at, work == TAKES ? "packed_alloc" : "free");
    house_assert();
    return stopped;
}

/*
 * The interrupted code and the signal handler each allocate or free a block of the same slot. At first the slot has
 * very few live blocks, so that a free of the last block also frees the slot, or so many that an allocation fills the
 * slot.
 */
Test(packed, handler_may_come_after_any_instruction, .timeout = 120)
{
    static const struct {
        unsigned live;
        enum deed work;
        enum deed between;
    } rows[] = {
        {1, TAKES, TAKES}, {LITTLE_BLOCKS - 1, TAKES, TAKES}, {1, TAKES, GIVES}, {LITTLE_BLOCKS - 1, TAKES, GIVES},
        {1, GIVES, TAKES}, {LITTLE_BLOCKS, GIVES, TAKES},     {2, GIVES, GIVES}, {LITTLE_BLOCKS, GIVES, GIVES},
    };
    lay();
    steps_need();
    for (unsigned i = 0; i <= LITTLE_BLOCKS; i++) {
        taken[i] = packed_alloc(LITTLE, NULL);
        cr_assert_eq(house_live(B128K), i < LITTLE_BLOCKS ? 1 : 2);
    }
    live_count = LITTLE_BLOCKS + 1;
    give_what_is_left();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned at = 1;
        live_count = rows[i].live;
        while (stop_one(at, rows[i].work, rows[i].between)) {
            at++;
        }
        cr_assert_gt(at, 30U);
    }
}

/* --- in the child of a fork --- */

static void go_on_in_child(void *unused)
{
    (void)unused;
    packed_after_fork();
    for (unsigned i = 0; i < MANY; i += 2) {
        give(taken[i]);
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        char *bytes = route_alloc(REQUEST, NULL);
        CHECK(bytes != NULL && packed_size("test", bytes) == BLOCK);
        memset(bytes, 'c', BLOCK);
        taken[i] = bytes;
    }
    for (unsigned i = 0; i < MANY; i++) {
        CHECK(taken[i][0] == (i % 2 == 0 ? 'c' : 'x') && memcmp(taken[i], taken[i] + 1, BLOCK - 1) == 0);
        give(taken[i]);
    }
    CHECK(house_live(B256K) == 0);
    house_check();
}

Test(packed, child_goes_on)
{
    lay();
    take_many(MANY);
    give(taken[1]);
    taken[1] = take(REQUEST);
    capture_clean(go_on_in_child, NULL);
}

Test(packed, child_of_threads_goes_on)
{
    lay();
    take_many(MANY);
    /*
     * makes this process look like a fork child of several threads, because only there packed_after_fork does its work
     */
    pool_is_child_of_threads = true;
    capture_clean(go_on_in_child, NULL);
}
