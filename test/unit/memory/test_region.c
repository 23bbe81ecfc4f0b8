/* Tests of memory/region.c, which finds the slot at an address, carves new slots, and unmaps addresses of free ones. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <sched.h>
#include <string.h>

#include "memory/hole.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "memory/slots.h"
#include "os/os.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/steps.h"

enum { SMALL_SHIFT = 24, THREADS = 8, RUN = 16 };

static void expect_found(unsigned bucket, const char *slot, size_t within)
{
    struct place place = region_find(slot + within);
    cr_assert(place.found, "bucket %u, byte %zu", bucket, within);
    cr_assert_eq(place.bucket, bucket, "bucket %u, byte %zu", bucket, within);
    cr_assert_eq(place.number, region_number(slot), "bucket %u, byte %zu", bucket, within);
    cr_assert_eq(place.exact, within == 0, "bucket %u, byte %zu", bucket, within);
    cr_assert_eq(region_slot(place.number), slot);
}

static void expect_slot_found(unsigned bucket, const char *slot)
{
    size_t stride = region.geometry[bucket].stride;
    const size_t withins[] = {0, 1, 16, 4095, 4096, stride / 2, stride - 4096, stride - 1};
    for (size_t i = 0; i < sizeof withins / sizeof withins[0]; i++) {
        if (withins[i] < stride) {
            expect_found(bucket, slot, withins[i]);
        }
    }
}

/* Carves slots of all buckets in turn, so that slots of different sizes lie side by side, and finds each of them by its
 * addresses. */
Test(region, every_slot_is_found)
{
    struct bucket_settings settings = house_defaults();
    settings.maximum = 5000000;
    house_lay(&settings, HOUSE_SHIFT);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
            void *run[RUN];
            unsigned count = region_carve(bucket, bucket < B1M ? RUN : 2, run);
            for (unsigned i = 0; i < count; i++) {
                expect_slot_found(bucket, run[i]);
            }
        }
    }
}

Test(region, nothing_is_found_where_no_slot_lies)
{
    void *slot;
    house_lay_default();
    cr_assert_not(region_find(region.start).found);
    cr_assert_not(region_find(region.start + os_page_size() - 1).found);
    cr_assert_eq(region_carve(B4M, 1, &slot), 1);
    cr_assert(region_find((char *)slot + region.geometry[B4M].stride - 1).found);
    cr_assert_not(region_find((char *)slot + region.geometry[B4M].stride).found);
    cr_assert_not(region_find(region.start + region_ready() - 1).found);
}

Test(region, nothing_is_owned_before_it_is_laid)
{
    int local = 0;
    cr_assert_not(region_owns(NULL));
    cr_assert_not(region_owns(&local));
    cr_assert_not(region_is_laid());
}

Test(region, owns_the_range_and_no_more)
{
    static int outside;
    int local = 0;
    house_lay_default();
    cr_assert(region_owns(region.start));
    cr_assert(region_owns(region.start + region_ready() - 1));
    cr_assert_not(region_owns(region.start - 1));
    cr_assert_not(region_owns(region.start + region_ready()), "addresses that were never mapped are not owned");
    cr_assert_not(region_owns(NULL));
    cr_assert_not(region_owns((void *)UINTPTR_MAX));
    cr_assert_not(region_owns(&outside));
    cr_assert_not(region_owns(&local));
    cr_assert_not(region_owns((const void *)region.states), "a program must not free an address of the metadata");
    cr_assert_not(region_owns((const void *)region.requests));
    cr_assert_not(region_owns((const void *)region.links));
}

Test(region, needs_exactly_the_space_that_it_reports)
{
    struct bucket_settings settings = house_defaults();
    bucket_offset map[BUCKET_GRANULES];
    for (unsigned shift = SMALL_SHIFT; shift <= 36; shift += 6) {
        bucket_plan_make(&house_plan, &settings, map);
        size_t range = ((size_t)1 << shift) - ((size_t)1 << REGION_SHIFT);
        size_t space = region_space(range);
        cr_assert_eq(space % os_page_size(), 0);
        char *start = house_space(space);
        cr_assert_not_null(start);
        cr_assert(region_lay(&house_plan, range));
        cr_assert_eq((size_t)(reserve_cut(0) - start), space);
        region_close();
        cr_assert_not(region_is_laid());
        cr_assert(os_is_free(start, space), "nothing is left");
    }
}

/* free may get any address of the range. It reads the metadata for that address, so all metadata of the range must be
 * mapped. */
Test(region, all_metadata_of_the_range_can_be_read)
{
    void *slot;
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(region_carve(bucket, 1, &slot), 1);
        for (size_t page = 0; page < region_ready() >> REGION_SHIFT; page++) {
            cr_assert(!slot_meta_begins(region_meta((uint32_t)page)) ||
                      slot_meta_state(region_meta((uint32_t)page)) == SLOT_NEVER_USED);
            cr_assert_eq(region_request((uint32_t)page), 0);
        }
    }
    /* carves slots until the range is full, so that the range grows step by step to its full size */
    while (region_carve(B4M, 1, &slot) == 1) {
        uint32_t last = (uint32_t)(region_ready() >> REGION_SHIFT) - 1;
        cr_assert_eq(region_meta(last), 0);
        cr_assert_eq(region_request(last), 0);
    }
}

static void write_to(void *address)
{
    *(volatile char *)address = 1;
}

/* Behind the last slot, and in front of the first one, lies a page without access. So a write beyond a slot is a fault,
 * and does not damage a table. */
Test(region, range_lies_between_pages_that_cannot_be_touched)
{
    house_lay_default();
    capture_fault(write_to, region.start - 1);
    capture_fault(write_to, region.start - os_page_size());
    capture_fault(write_to, region.start + region_ready());
}

Test(region, carving_gives_a_run_with_the_lowest_last)
{
    void *run[RUN];
    house_lay_default();
    cr_assert_eq(region_carved(B16K), 0);
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t front = region_front();
        cr_assert_eq(region_carve(B16K, RUN, run), RUN);
        for (uint32_t i = 0; i < RUN; i++) {
            uint32_t number = front + (RUN - 1 - i) * region.geometry[B16K].pages;
            cr_assert_eq(run[i], region_slot(number));
            cr_assert_eq(region_meta(number), slot_meta_of(SLOT_NEVER_USED, B16K));
        }
        cr_assert_eq(region_carved(B16K), (round + 1) * RUN);
    }
    cr_assert_eq(region_carve(B16K, 0, run), 0);
    cr_assert_eq(region_carved(B16K), 4 * RUN);
    cr_assert_eq(region_carved(B8K), 0, "carving in one bucket carves none in another");
}

Test(region, carved_slots_are_zero_and_can_be_written_to_their_ends)
{
    void *run[4];
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(region_carve(bucket, 4, run), 4);
        for (unsigned i = 0; i < 4; i++) {
            size_t stride = region.geometry[bucket].stride;
            const char *bytes = run[i];
            cr_assert(bytes[0] == 0 && memcmp(bytes, bytes + 1, stride - 1) == 0, "not zero");
            memset(run[i], 'x', stride);
        }
        house_mark(run[0], SLOT_LIVE, 5000);
        atomic_store(&region.links[region_number(run[0]) >> region.link_shift], 1);
    }
}

Test(region, walk_finds_each_slot_once)
{
    void *run[RUN];
    house_lay_default();
    uint32_t counts[BUCKET_LIMIT] = {0};
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(region_carve(bucket, 2 + bucket % 3, run), 2 + bucket % 3);
        house_mark(run[0], SLOT_LIVE, 5000);
    }
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        counts[region_bucket(number)]++;
    }
    uint32_t live[BUCKET_LIMIT] = {0};
    region_count_live(live);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(counts[bucket], 2 + bucket % 3);
        cr_assert_eq(counts[bucket], region_carved(bucket));
        cr_assert_eq(live[bucket], 1);
    }
}

Test(region, ends_after_its_last_slot)
{
    void *run[RUN];
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    uint32_t limit = house_limit(B16K, SMALL_SHIFT);
    uint32_t carved = 0;
    while (carved + RUN <= limit) {
        cr_assert_eq(region_carve(B16K, RUN, run), RUN);
        carved += RUN;
    }
    cr_assert_eq(region_carve(B16K, RUN, run), limit - carved, "the run has as many slots as there are left");
    memset(house_slot(B16K, limit - 1), 'x', region.geometry[B16K].stride);
    cr_assert_eq(region_carve(B16K, RUN, run), 0);
    cr_assert_eq(region_carve(B4M, 1, run), 0);
    cr_assert(region_is_full());
    cr_assert_eq(region_carved(B16K), limit);
}

static _Atomic unsigned carvings[HOUSE_PAGES];

/* Runs as a thread: carves runs of slots of different lengths until the range is full. No two threads may get the same
 * slot. */
static void carve_all(unsigned number)
{
    void *run[RUN];
    unsigned wanted = number + 1;
    unsigned got;
    while ((got = region_carve(B4K, wanted, run)) > 0) {
        for (unsigned i = 0; i < got; i++) {
            CHECK(region_find(run[i]).exact && region_find(run[i]).bucket == B4K);
            atomic_fetch_add(&carvings[region_number(run[i])], 1);
            /* writes to the metadata of the slot, because the page of the metadata must be mapped when the slot has
             * been carved */
            house_mark(run[i], SLOT_LIVE, 5000);
            *(char *)run[i] = 1;
        }
        wanted = wanted % RUN + 1;
    }
}

Test(region, concurrent_carving_gives_each_slot_once)
{
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT + 2);
    crew_run(THREADS, carve_all);
    cr_assert_eq(region_carved(B4K), house_limit(B4K, SMALL_SHIFT + 2));
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        cr_assert_eq(carvings[number], 1, "slot %u was carved %u times", number, carvings[number]);
    }
}

/* region_ready returns the size of the mapped part of the range, which includes all slots that were carved, and may
 * include pages behind them. */
Test(region, ready_covers_what_was_carved)
{
    void *run[8];
    house_lay_default();
    cr_assert_eq(region_ready(), os_page_size());
    for (unsigned carved = 8; carved < 400; carved += 8) {
        cr_assert_eq(region_carve(B16K, 8, run), 8);
        cr_assert_gt(region_ready(), (size_t)region_front() << REGION_SHIFT);
        cr_assert_eq(region_ready() % os_page_size(), 0);
        write_to(region.start + region_ready() - 1);
    }
}

/* --- holes ---------------------------------------------------------------------------------- */

Test(region, returned_slots_cannot_be_accessed)
{
    void *run[4];
    house_lay_default();
    cr_assert_eq(region_carve(B256K, 4, run), 4);
    uint32_t pages = region.geometry[B256K].pages;
    uint32_t first = region_number(run[2]);
    memset(run[3], 'x', 10);
    memset(run[0], 'x', 10);
    cr_assert(region_return(first, 2 * pages));
    cr_assert_eq(region_carved(B256K), 2);
    cr_assert_not(region_find(run[2]).found);
    cr_assert_not(region_find(run[1]).found);
    cr_assert(region_owns(run[1]), "free must find the metadata of a returned slot");
    capture_fault(write_to, run[1]);
    capture_fault(write_to, (char *)run[2] + region.geometry[B256K].stride - 1);
    cr_assert_eq(*(char *)run[3], 'x');
    cr_assert_eq(*(char *)run[0], 'x');
}

/* From the start of a hole (addresses of the range that were unmapped), slots of any bucket can be carved. They read as
 * zero, as new slots do. */
Test(region, hole_is_carved_again_from_its_front)
{
    void *large[3];
    void *small[RUN];
    house_lay_default();
    cr_assert_eq(region_carve(B1M, 3, large), 3);
    memset(large[1], 'x', 1 << 20);
    uint32_t first = region_number(large[1]);
    cr_assert(region_return(first, region.geometry[B1M].pages));
    uint32_t front = region_front();
    size_t ready = region_ready();
    for (unsigned round = 0; round < 3; round++) {
        cr_assert_eq(region_carve(B16K, RUN, small), RUN);
        cr_assert_eq(region_number(small[RUN - 1]), first + round * RUN * region.geometry[B16K].pages);
        for (unsigned i = 0; i < RUN; i++) {
            cr_assert_eq(*(char *)small[i], 0);
            memset(small[i], 'y', region.geometry[B16K].stride);
            expect_slot_found(B16K, small[i]);
        }
    }
    cr_assert_eq(region_carve(B4K, RUN, small), 8, "the rest of the hole has space for a few small slots");
    cr_assert_eq(region_carve(B4K, RUN, small), RUN);
    cr_assert_eq(region_front(), front + RUN * region.geometry[B4K].pages, "now there is no hole left");
    cr_assert_geq(region_ready(), ready);
    cr_assert_eq(region_carved(B1M), 2);
}

Test(region, adjacent_holes_are_one)
{
    void *run[6];
    house_lay_default();
    uint32_t pages = region.geometry[B256K].pages;
    cr_assert_eq(region_carve(B256K, 6, run), 6);
    cr_assert(region_return(region_number(run[4]), pages));
    cr_assert(region_return(region_number(run[2]), pages));
    cr_assert(region_return(region_number(run[3]), pages), "returns the slot between the two holes");
    void *slot;
    cr_assert_eq(region_carve(B512K, 1, &slot), 1);
    cr_assert_eq(slot, run[4], "the three holes together serve a larger bucket");
}

Test(region, child_of_a_fork_forgets_its_holes)
{
    void *run[3];
    void *slot;
    house_lay_default();
    cr_assert_eq(region_carve(B256K, 3, run), 3);
    cr_assert(region_return(region_number(run[1]), region.geometry[B256K].pages));
    region_after_fork();
    cr_assert_eq(region_carve(B256K, 1, &slot), 1);
    cr_assert_gt(slot, run[0]);
    cr_assert_not(region_return(region_number(run[0]), region.geometry[B256K].pages),
                  "the mapping that would be extended is not there");
    cr_assert(region_return(region_number(slot), region.geometry[B256K].pages));
}

static _Atomic unsigned owners[HOUSE_PAGES];
static _Atomic uint32_t pages_carved;

/* Runs as a thread: carves a few slots and unmaps them again. Checks that no page belongs to two threads. */
static void carve_and_return(unsigned number)
{
    for (unsigned round = 0; round < 500; round++) {
        void *run[2];
        unsigned bucket = (number + round) % 2 == 0 ? B256K : B512K;
        unsigned got = region_carve(bucket, 2, run);
        uint32_t pages = region.geometry[bucket].pages;
        atomic_fetch_add(&pages_carved, got * pages);
        for (unsigned i = 0; i < got; i++) {
            CHECK(atomic_fetch_add(&owners[region_number(run[i])], 1) == 0);
            CHECK(*(char *)run[i] == 0);
            *(char *)run[i] = 1;
        }
        for (unsigned i = 0; i < got; i++) {
            atomic_fetch_sub(&owners[region_number(run[i])], 1);
            while (!region_return(region_number(run[i]), pages)) {
                /*
                 * region_return fails while another thread makes the range grow or unmaps addresses. It also fails
                 * while another thread carves the slot in front of these slots, because that slot has no metadata yet.
                 * So the test tries again.
                 */
                sched_yield();
            }
        }
    }
}

Test(region, threads_return_and_carve_beside_each_other)
{
    house_lay_default();
    crew_run(THREADS, carve_and_return);
    cr_assert_eq(region_carved(B256K), 0);
    cr_assert_eq(region_carved(B512K), 0);
    cr_assert_eq(region_next(0), REGION_END);
    cr_assert_lt(region_front(), pages_carved, "returned addresses are used again");
}

/* --- a page of a hole is claimed as soon as possible --- */

static uint32_t returned;
static uint32_t claimed;

static void return_run(void)
{
    CHECK(region_return(returned, RUN));
}

static void claim_page(void *context)
{
    (void)context;
    if (hole_fill(region.start, 1, 1, &claimed) == 1) {
        region_set_meta(claimed, slot_meta_of(SLOT_LIVE, B4K));
    } else {
        claimed = REGION_END;
    }
}

/* Another thread carves slots from a hole while the hole is being made. The metadata that it has written to these slots
 * must stay. */
Test(region, page_may_be_claimed_as_it_becomes_a_hole, .timeout = 60)
{
    bool stopped = true;
    unsigned claims = 0;
    steps_need();
    house_lay_default();
    for (unsigned at = 1; stopped; at++) {
        hole_reset(); /* removes the older holes, so that claim_page can get its page only from the new hole */
        cr_assert_eq(region_carve_run(B4K, RUN, &returned), (unsigned)RUN);
        claimed = REGION_END;
        stopped = steps_run(at, return_run, claim_page);
        cr_assert_null(crew_fault(), "%s", crew_fault());
        if (claimed != REGION_END) {
            cr_assert_eq(slot_meta_state(region_meta(claimed)), SLOT_LIVE, "after %u instructions", at);
            claims++;
        }
    }
    cr_assert_gt(claims, 0U);
}
