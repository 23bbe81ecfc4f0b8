/* Tests of the library when the kernel refuses memory: each part of the library must report the failure to its
 * caller, and memory that this part already has must stay usable. To carve slots is to cut new ones from the front
 * of the range, for which the range and the tables of the slots' metadata may have to grow. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/cache.h"
#include "cache/depot.h"
#include "cache/magazine.h"
#include "memory/region.h"
#include "memory/slots.h"
#include "memory/table.h"
#include "os/os.h"
#include "pool/pool.h"
#include "route/route.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"

enum { THREADS = 8, ROUNDS = 20000, EVERYTHING = 1 << 30, RUN = 16, LENGTHS = 24 };

/* TABLES is how many tables the library has. GROWING is how many calls of the kernel it takes to carve RUN slots,
 * because the range and some tables must grow. */
enum { TABLES = 10, GROWING = 3 };

/* The calls with the numbers `first` to `last` are refused in a child process, which tries to carve RUN slots of the
 * bucket. outcome[N] counts the child processes that have carved N slots. */
struct refusals {
    unsigned bucket;
    unsigned first;
    unsigned last;
    unsigned outcome[RUN + 1];
};

static void lay(void)
{
    os_failing_never();
    house_lay_default();
}

static uint64_t tally(const struct counter *counter)
{
    return counter_read(counter);
}

/* Runs `work` once for each number from 1 to `last`, each time in a child process. `work` gets the number, and lets the
 * kernel refuse the call with this number. */
static void expect_clean_for_each(capture_work *work, unsigned last)
{
    struct capture capture;
    for (unsigned call = 1; call <= last; call++) {
        capture_run(&capture, work, &call);
        cr_assert(capture_is_clean(&capture), "call %u: %s", call, capture.words);
    }
}

Test(failure, reservation_is_refused)
{
    struct bucket_settings settings = house_defaults();
    os_failing_from(1);
    cr_assert_null(house_space(1 << 20));
    cr_assert_not(house_try(&settings, HOUSE_SHIFT));
    cr_assert_not(route_is_pooled(4096));
    cr_assert_not_null(route_alloc(4096, NULL), "mimalloc serves the request");
}

/* Start-up maps the first page of each table. If the kernel refuses one of these calls, the pools stay closed. */
static void lay_with_one_refusal(void *argument)
{
    struct bucket_settings settings = house_defaults();
    unsigned call = *(const unsigned *)argument;
    os_failing_between(call, call);
    bool laid = house_try(&settings, HOUSE_SHIFT);
    if (call == 1) {
        /* The first call only finds out whether one window of addresses is free. If this call is refused, start-up
         * tries another window, and succeeds. */
        CHECK(laid);
    } else if (call <= 1 + TABLES) {
        CHECK(!laid && os_failing_refusals() == 1);
        CHECK(!region_owns(region.start) && !route_is_pooled(4096));
        CHECK(route_alloc(4096, NULL) != NULL); /* with the pools closed, mimalloc serves all requests */
    } else {
        CHECK(laid && os_failing_refusals() == 0);
    }
}

Test(failure, first_pages_are_refused)
{
    expect_clean_for_each(lay_with_one_refusal, TABLES + 2);
}

static struct table table;

static void open_table(void)
{
    char *start = house_space(1 << 20);
    cr_assert_not_null(start);
    table_open(&table, start, 1 << 20, 64 << 10);
}

/* If the kernel refuses memory for a whole step of growth, the table asks for only the bytes that are needed now. */
Test(failure, table_takes_less_than_a_step)
{
    os_failing_never();
    open_table();
    os_failing_between(1, 1);
    cr_assert(table_reach(&table, 5000));
    cr_assert_eq(os_failing_calls(), 2);
    cr_assert_eq(atomic_load(&table.ready), 8192);
    table.start[8191] = 1;
    cr_assert(table_reach(&table, 8193));
    cr_assert_eq(atomic_load(&table.ready), 8192 + (64 << 10),
                 "the table grows by a whole step again, once the kernel grants it");
    cr_assert_eq(table.start[8191], 1);
}

Test(failure, refused_table_stays_as_it_is)
{
    os_failing_never();
    open_table();
    cr_assert(table_reach(&table, 5000));
    size_t ready = atomic_load(&table.ready);
    os_failing_between(1, 2);
    cr_assert_not(table_reach(&table, ready + 1));
    cr_assert_eq(os_failing_refusals(), 2);
    cr_assert_eq(atomic_load(&table.ready), ready);
    cr_assert(table_reach(&table, ready), "memory that is usable already needs no system call");
    cr_assert_eq(os_failing_calls(), 2);
    cr_assert(table_reach(&table, ready + 1), "the table can grow later");
}

/* Carves RUN slots, for which the range and its tables must grow, and lets the kernel refuse all calls from number
 * `call` on. If the range or a table cannot grow, no slot may be carved, and the same slots must be carved later. */
static void carve_nothing(void *argument)
{
    void *run[RUN];
    unsigned call = *(const unsigned *)argument;
    lay();
    os_failing_from(call);
    if (call > GROWING) {
        CHECK(region_carve(B128K, RUN, run) == RUN && os_failing_refusals() == 0);
        return;
    }
    CHECK(region_carve(B128K, RUN, run) == 0);
    CHECK(os_failing_refusals() > 0 && region_carved(B128K) == 0);
    CHECK(region_next(0) == REGION_END);
    os_failing_never();
    CHECK(region_carve(B128K, RUN, run) == RUN);
    CHECK(run[RUN - 1] == house_slot(B128K, 0));
    memset(run[0], 'x', region.geometry[B128K].stride);
}

Test(failure, region_carves_nothing)
{
    expect_clean_for_each(carve_nothing, GROWING + 1);
}

/* Carves RUN slots while the kernel refuses some calls. Either RUN slots are carved, or a single one, or none. All
 * carved slots must be usable. */
static void carve_what_can_be_had(void *argument)
{
    struct refusals *refusals = argument;
    void *run[RUN];
    lay();
    os_failing_between(refusals->first, refusals->last);
    unsigned bucket = refusals->bucket;
    unsigned count = region_carve(bucket, RUN, run);
    CHECK(count == 0 || count == 1 || count == RUN);
    CHECK(region_carved(bucket) == count);
    for (unsigned i = 0; i < count; i++) {
        uint32_t number = region_number(run[i]);
        CHECK(run[i] == house_slot(bucket, count - 1 - i));
        memset(run[i], 'x', region.geometry[bucket].stride);
        CHECK(region_request(number) == 0 && atomic_load(&region.links[number >> region.link_shift]) == 0);
    }
    refusals->outcome[count]++;
    os_failing_never();
    CHECK(region_carve(bucket, RUN, run) == RUN);
    CHECK(run[RUN - 1] == house_slot(bucket, count));
}

static void refuse_from(struct refusals *refusals, unsigned bucket, unsigned first)
{
    struct capture capture;
    *refusals = (struct refusals){.bucket = bucket, .first = first};
    for (refusals->last = first; refusals->last < first + LENGTHS; refusals->last++) {
        capture_run(&capture, carve_what_can_be_had, refusals);
        cr_assert(capture_is_clean(&capture), "bucket %u, calls %u to %u: %s", bucket, first, refusals->last,
                  capture.words);
    }
    cr_assert_gt(refusals->outcome[1], 0U, "bucket %u, from call %u", bucket, first);
    cr_assert_gt(refusals->outcome[0], 0U, "bucket %u, from call %u", bucket, first);
}

/* Needs memory for RUN slots while the kernel refuses some calls. RUN slots of 128 KiB are longer than a step by
 * which the range grows. The range cannot ask for less memory than these slots need, so a single slot is carved
 * instead if that memory is refused. */
Test(failure, region_carves_one_where_a_run_is_refused)
{
    struct refusals *refusals = mmap(NULL, sizeof *refusals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)refusals, MAP_FAILED);
    for (unsigned first = 1; first <= GROWING; first++) {
        refuse_from(refusals, B128K, first);
        cr_assert_eq(refusals->outcome[RUN] > 0, first < GROWING, "from call %u", first);
    }
    /* The table of states, a part of the slots' metadata, need not grow here, because the states of these slots fit
     * into its first page. */
    for (unsigned first = 1; first < GROWING; first++) {
        refuse_from(refusals, B32K, first);
        cr_assert_gt(refusals->outcome[RUN], 0U, "from call %u", first);
    }
}

/* If the range already has the pages of a few slots, but not of RUN slots, these few can be carved even if the kernel
 * refuses all memory. */
Test(failure, region_carves_slots_that_need_no_kernel)
{
    void *run[RUN];
    lay();
    cr_assert_eq(region_carve(B16K, RUN, run), RUN);
    os_failing_from(1);
    unsigned count = 0;
    while (region_carve(B16K, 1, run) == 1) {
        memset(run[0], 'x', region.geometry[B16K].stride);
        count++;
    }
    cr_assert_gt(count, 1U);
    cr_assert_gt(os_failing_refusals(), 0U);
    cr_assert_lt(region_ready() - ((size_t)region_front() << REGION_SHIFT),
                 region.geometry[B16K].stride + os_page_size());
}

/* Opens magazines until the first page of their table is full. The kernel then refuses all memory until the test
 * calls os_failing_never. */
static void open_all_magazines(void)
{
    os_failing_from(1);
    unsigned count = 0;
    while (magazine_open() != NULL) {
        count++;
    }
    cr_assert_lt(count, (unsigned)(os_page_size() / sizeof(struct magazine)));
    cr_assert_gt(os_failing_refusals(), 0U);
}

Test(failure, magazine_cannot_be_opened)
{
    lay();
    open_all_magazines();
    cr_assert_null(magazine_open());
    cr_assert_null(depot_pop_empty(B4K));
    os_failing_never();
    struct magazine *magazine = magazine_open();
    cr_assert_not_null(magazine);
    cr_assert_eq(magazine_count(magazine), 0);
}

/* Opens caches, as if for other threads, until the first page of their table is full. So there is no cache for the
 * calling thread. */
static void open_all_caches(void)
{
    os_failing_from(1);
    while (cache_reach() != &cache_shared) {
        cache_mine = &cache_none;
    }
    cr_assert_gt(os_failing_refusals(), 0U);
    os_failing_never();
}

/*
 * If there is no cache for a thread, it uses the shared cache, which holds no slots. So its requests are served from
 * the buckets' stacks of free slots.
 */
Test(failure, cache_cannot_be_opened)
{
    lay();
    open_all_caches();
    char *slot = house_take(B16K, 16384, NULL);
    cr_assert_not_null(slot);
    cr_assert_eq(cache_mine, &cache_shared);
    memset(slot, 'x', 16384);
    house_give(slot);
    cr_assert_eq(house_take(B16K, 16384, NULL), slot);
    cr_assert_eq(tally(&cache_shared.bin[B16K].requests), 2);
    cr_assert_eq(tally(&cache_shared.tally[B16K].stack_hits), 1);
    cr_assert_eq(tally(&cache_shared.tally[B16K].carves), 1);
    cr_assert_eq(region_carved(B16K), 1, "slots are carved one at a time");
    house_assert();
}

static void open_own_cache(unsigned number)
{
    (void)number;
    CHECK(cache_reach() != &cache_shared);
}

Test(failure, later_thread_gets_a_cache)
{
    lay();
    open_all_caches();
    cr_assert_eq(cache_reach(), &cache_shared);
    crew_run(1, open_own_cache);
}

/* If there is no magazine for a cache, the thread allocates from the slots that it has carved in advance, and its frees
 * go to the bucket's stack of free slots. */
Test(failure, cache_gets_no_magazine)
{
    lay();
    struct cache *cache = cache_reach();
    open_all_magazines();
    os_failing_never();
    char *slot = house_take(B16K, 16384, NULL);
    cr_assert_not_null(slot);
    cr_assert_null(cache_private(&cache->bin[B16K]));
    cr_assert_eq(cache_fresh(cache, B16K), region_carved(B16K) - 1);
    os_failing_from(1);
    house_give(slot);
    cr_assert_gt(os_failing_refusals(), 0U);
    cr_assert_eq(tally(&cache->tally[B16K].deposited), 1);
    cr_assert(slots_have_free(B16K));
    house_assert();
    cr_assert_eq(house_take(B16K, 16384, NULL), slot);
    cr_assert_eq(tally(&cache->tally[B16K].stack_hits), 1);
    house_assert();
}

Test(failure, free_slots_serve_while_carving_fails)
{
    void *taken[40];
    lay();
    for (unsigned i = 0; i < 40; i++) {
        taken[i] = house_take(B128K, 100000, NULL);
    }
    for (unsigned i = 0; i < 40; i++) {
        house_give(taken[i]);
    }
    os_failing_from(1);
    for (unsigned i = 0; i < 40; i++) {
        cr_assert_not_null(house_take(B128K, 100000, NULL));
    }
    unsigned more = 0;
    while (house_take(B128K, 100000, NULL) != NULL) {
        more++; /* counts the slots whose pages the range already had */
    }
    cr_assert_lt(more, 16U);
    cr_assert_gt(os_failing_refusals(), 0U);
    house_assert();
    char *slot = route_alloc(100000, NULL);
    cr_assert(slot != NULL && !region_owns(slot), "mimalloc serves the request that the pools cannot serve");
    memset(slot, 'x', 100000);
    route_free("free", slot);
}

/* If the kernel refuses to purge a slot, the slot stays free. calloc must clear this slot, because its pages keep their
 * content. */
Test(failure, purge_is_refused)
{
    lay();
    char *slot = house_take(B1M, 1 << 20, NULL);
    memset(slot, 'x', 1 << 20);
    house_give(slot);
    os_failing_from(1);
    cr_assert_eq(pool_trim(EVERYTHING), 0);
    cr_assert_eq(os_failing_refusals(), 1, "the kernel is asked once only");
    cr_assert_eq(house_metadata(B1M, SLOT_FREE), 1);
    house_assert();
    char *zeroed = route_alloc_zeroed(1, 1 << 20, NULL);
    cr_assert_eq(zeroed, slot);
    cr_assert(zeroed[0] == 0 && memcmp(zeroed, zeroed + 1, (1 << 20) - 1) == 0);
    house_give(slot);
    os_failing_never();
    cr_assert_eq(pool_trim(EVERYTHING), house_plan.stride[B1M]);
    house_assert();
}

static void take_and_give(unsigned number)
{
    char *held[8] = {NULL};
    uint64_t random = number + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned at = (unsigned)(crew_random(&random) % 8);
        if (held[at] != NULL) {
            CHECK(held[at][0] == (char)number && held[at][4095] == (char)number);
            house_give(held[at]);
        }
        unsigned bucket = (unsigned)(random % (B256K + 1));
        held[at] = house_take(bucket, house_plan.size[bucket], NULL);
        if (held[at] != NULL) {
            held[at][0] = held[at][4095] = (char)number;
        }
        if (random % 64 == 0) {
            pool_trim(1 << 20);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (held[i] != NULL) {
            house_give(held[i]);
        }
    }
}

/* The kernel refuses every third call, in any of the threads. No thread may find that another one has written to its
 * slot, and no slot may be lost. */
Test(failure, threads_go_on_after_refusals)
{
    lay();
    os_failing_every(3);
    crew_run(THREADS, take_and_give);
    cr_assert_gt(os_failing_refusals(), 10U);
    house_assert();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(house_metadata(bucket, SLOT_LIVE), 0);
    }
}
