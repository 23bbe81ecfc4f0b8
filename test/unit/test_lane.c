/* The lane room: where an address lies, which slots are carved, and what is out of bounds. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "capture.h"
#include "crew.h"
#include "house.h"
#include "lane.h"
#include "os.h"
#include "reserve.h"
#include "slots.h"

enum { SMALL_SHIFT = 20, WIDEST_SHIFT = 36, THREADS = 8 };

static void expect_found(unsigned bucket, uint32_t slot, size_t within, const void *address)
{
    struct place place = lane_find(address);
    cr_assert_eq(place.bucket, bucket, "bucket %u, slot %u, byte %zu", bucket, slot, within);
    cr_assert_eq(place.slot, slot, "bucket %u, slot %u, byte %zu", bucket, slot, within);
    cr_assert_eq(place.exact, within == 0, "bucket %u, slot %u, byte %zu", bucket, slot, within);
    cr_assert_eq(lane_card(bucket, address), &lanes.lane[bucket].cards[slot]);
    cr_assert_eq(lane_number(bucket, address), slot);
}

static void expect_slot_found(unsigned bucket, uint32_t slot)
{
    size_t stride = lanes.lane[bucket].stride;
    const char *start = lane_slot(bucket, slot);
    const size_t withins[] = {0, 1, 16, 4095, 4096, stride / 2, stride - 4096, stride - 1};
    for (size_t i = 0; i < sizeof withins / sizeof withins[0]; i++) {
        if (withins[i] < stride) {
            expect_found(bucket, slot, withins[i], start + withins[i]);
        }
    }
}

Test(lane, every_slot_is_found)
{
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        for (uint32_t slot = 0; slot < lanes.lane[bucket].limit; slot++) {
            expect_slot_found(bucket, slot);
        }
    }
}

/* A lane's tail is too short for a slot; its addresses have a card all the same, never used. */
Test(lane, tail_of_a_lane_has_a_card)
{
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        const char *last = lanes.lane[bucket].slots + ((size_t)1 << SMALL_SHIFT) - 1;
        struct place place = lane_find(last);
        cr_assert_eq(place.bucket, bucket);
        cr_assert_leq(place.slot, lanes.lane[bucket].limit);
        cr_assert_not(place.exact);
        cr_assert_eq(card_read(&lanes.lane[bucket].cards[place.slot]), CARD_NEVER_USED);
    }
}

static void expect_random_addresses_found(const struct bucket_settings *settings, unsigned shift)
{
    uint64_t random = 1;
    house_lay(settings, shift);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        const struct lane *lane = &lanes.lane[bucket];
        expect_slot_found(bucket, 0);
        expect_slot_found(bucket, lane->limit - 1);
        for (int i = 0; i < 20000; i++) {
            uint32_t slot = (uint32_t)(crew_random(&random) % lane->limit);
            size_t within = crew_random(&random) % lane->stride;
            const char *start = lane_slot(bucket, slot);
            expect_found(bucket, slot, within, start + within);
            expect_found(bucket, slot, 0, start);
        }
    }
}

/* The division by multiplication is exact over the whole of the widest lanes. */
Test(lane, division_is_exact_in_the_widest_lanes)
{
    struct bucket_settings settings = house_defaults();
    expect_random_addresses_found(&settings, WIDEST_SHIFT);
}

Test(lane, division_is_exact_for_the_widest_settings)
{
    struct bucket_settings settings = house_defaults();
    settings.maximum = BUCKET_REQUEST_LIMIT;
    settings.headroom = 1 << 20;
    expect_random_addresses_found(&settings, WIDEST_SHIFT);
}

/* The last bucket's stride is whole pages, and otherwise any number. */
Test(lane, division_is_exact_for_an_odd_last_bucket)
{
    static const size_t maxima[] = {70000,   85000,   3 << 20,
                                    5000000, 8187904, BUCKET_REQUEST_LIMIT - 4096};
    for (size_t i = 0; i < sizeof maxima / sizeof maxima[0]; i++) {
        struct bucket_settings settings = house_defaults();
        settings.maximum = maxima[i];
        expect_random_addresses_found(&settings, WIDEST_SHIFT);
        cr_assert_eq(lanes.lane[lanes.count - 1].stride, os_round_to_pages(maxima[i]));
    }
}

Test(lane, division_is_exact_for_plain_powers_of_two)
{
    struct bucket_settings settings = house_defaults();
    settings.headroom = 0;
    expect_random_addresses_found(&settings, WIDEST_SHIFT);
    cr_assert_leq(lanes.lane[0].limit, (uint32_t)STACK_NUMBERS);
}

Test(lane, nothing_is_owned_before_publication)
{
    struct bucket_settings settings = house_defaults();
    int local = 0;
    cr_assert_not(lane_owns(NULL));
    cr_assert_not(lane_owns(&local));
    bucket_plan_make(&house_plan, &settings, (bucket_line[BUCKET_GRANULES]){0});
    cr_assert_not_null(house_space(lane_space(&house_plan, SMALL_SHIFT)));
    lane_lay(&house_plan, SMALL_SHIFT);
    cr_assert_not(lane_owns(NULL));
    cr_assert_not(lane_owns(lane_slot(0, 0)));
    lane_publish();
    cr_assert(lane_owns(lane_slot(0, 0)));
}

Test(lane, owns_the_lanes_and_no_more)
{
    static int outside;
    int local = 0;
    house_lay_default();
    char *end = lanes.start + ((size_t)house_plan.count << HOUSE_SHIFT);
    cr_assert(lane_owns(lanes.start));
    cr_assert(lane_owns(end - 1));
    cr_assert_not(lane_owns(lanes.start - 1));
    cr_assert_not(lane_owns(end));
    cr_assert_not(lane_owns(NULL));
    cr_assert_not(lane_owns((void *)UINTPTR_MAX));
    cr_assert_not(lane_owns(&outside));
    cr_assert_not(lane_owns(&local));
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_not(lane_owns(lanes.lane[bucket].cards), "a card is not a program's to free");
        cr_assert_not(lane_owns((const void *)lanes.lane[bucket].links));
    }
}

Test(lane, space_is_what_laying_takes)
{
    struct bucket_settings settings = house_defaults();
    bucket_line map[BUCKET_GRANULES];
    for (unsigned shift = 18; shift <= WIDEST_SHIFT; shift += 6) {
        bucket_plan_make(&house_plan, &settings, map);
        size_t space = lane_space(&house_plan, shift);
        cr_assert_eq(space % os_page_size(), 0);
        char *start = house_space(space);
        cr_assert_not_null(start);
        lane_lay(&house_plan, shift);
        cr_assert_eq((size_t)(reserve_cut(0) - start), space);
    }
}

Test(lane, all_cards_can_be_read)
{
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        for (uint32_t slot = 0; slot <= lanes.lane[bucket].limit; slot++) {
            cr_assert_eq(card_read(&lanes.lane[bucket].cards[slot]), CARD_NEVER_USED);
        }
    }
}

static void write_to(void *address)
{
    *(volatile char *)address = 1;
}

Test(lane, slots_that_are_not_carved_cannot_be_touched)
{
    house_lay_default();
    capture_fault(write_to, lane_slot(B4M, 0));
    capture_fault(write_to, lanes.lane[B4K].cards);
}

/* Lanes so small that one is carved to its end, and its table with it. */
static void carve_last_lane_whole(void)
{
    void *run[16];
    struct bucket_settings settings = house_defaults();
    settings.headroom = 0;
    house_lay(&settings, SMALL_SHIFT + 3);
    while (lane_carve(house_plan.count - 1, 16, run) > 0) {
    }
}

/* No overflow of a slot, nor underflow of the first one, runs into a table. The links of the last
 * bucket are the table that lies nearest. */
Test(lane, page_before_the_slots_is_a_guard)
{
    void *slot;
    carve_last_lane_whole();
    cr_assert_eq(lane_carve(B4K, 1, &slot), 1);
    cr_assert_eq(slot, (void *)lanes.start);
    slots_give(house_plan.count - 1, lane_carved(house_plan.count - 1) - 1); /* writes a link */
    capture_fault(write_to, (char *)slot - 1);
    capture_fault(write_to, (char *)slot - os_page_size());
}

/* What is not ours may lie next to the last one's end. */
Test(lane, page_behind_the_slots_is_a_guard)
{
    carve_last_lane_whole();
    char *end = lanes.start + lanes.length;
    cr_assert_eq(lane_ready(house_plan.count - 1), (size_t)1 << lanes.shift);
    end[-1] = 1;
    cr_assert_eq(reserve_cut(0), end + os_page_size());
    capture_fault(write_to, end);
    capture_fault(write_to, end + os_page_size() - 1);
}

Test(lane, carving_gives_a_run_with_the_lowest_last)
{
    void *run[16];
    house_lay_default();
    cr_assert_eq(lane_carved(B16K), 0);
    for (uint32_t first = 0; first < 64; first += 16) {
        cr_assert_eq(lane_carve(B16K, 16, run), 16);
        for (uint32_t i = 0; i < 16; i++) {
            cr_assert_eq(run[i], lane_slot(B16K, first + 15 - i));
        }
        cr_assert_eq(lane_carved(B16K), first + 16);
    }
    cr_assert_eq(lane_carve(B16K, 0, run), 0);
    cr_assert_eq(lane_carved(B16K), 64);
    cr_assert_eq(lane_carved(B8K), 0, "each bucket has its own lane");
}

Test(lane, carved_slots_are_zero_and_can_be_written_to_their_ends)
{
    void *run[4];
    house_lay_default();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(lane_carve(bucket, 4, run), 4);
        for (unsigned i = 0; i < 4; i++) {
            size_t stride = lanes.lane[bucket].stride;
            const char *bytes = run[i];
            cr_assert(bytes[0] == 0 && memcmp(bytes, bytes + 1, stride - 1) == 0, "not zero");
            memset(run[i], 'x', stride);
        }
        card_write(lane_card(bucket, run[0]), CARD_LIVE);
        atomic_store(&lanes.lane[bucket].links[lane_number(bucket, run[0])], 1);
    }
}

Test(lane, ends_after_its_last_slot)
{
    enum { RUN = 16 };
    void *run[RUN];
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        uint32_t limit = lanes.lane[bucket].limit;
        cr_assert_eq(limit, ((size_t)1 << SMALL_SHIFT) / house_plan.stride[bucket]);
        uint32_t carved = 0;
        while (carved + RUN <= limit) {
            cr_assert_eq(lane_carve(bucket, RUN, run), RUN);
            carved += RUN;
        }
        cr_assert_eq(lane_carve(bucket, RUN, run), limit - carved, "as many as there are left");
        if (limit > carved) {
            cr_assert_eq(run[0], lane_slot(bucket, limit - 1));
            memset(run[0], 'x', lanes.lane[bucket].stride);
        }
        cr_assert_eq(lane_carve(bucket, RUN, run), 0);
        cr_assert_eq(lane_carve(bucket, 1, run), 0);
        cr_assert_eq(lane_carved(bucket), limit);
    }
}

static _Atomic unsigned carvings[1 << 13];

/* Runs of all lengths until the lane is full: each slot goes to exactly one thread. */
static void carve_all(unsigned number)
{
    void *run[16];
    unsigned wanted = number + 1;
    unsigned got;
    while ((got = lane_carve(B4K, wanted, run)) > 0) {
        for (unsigned i = 0; i < got; i++) {
            struct place place = lane_find(run[i]);
            CHECK(place.exact && place.bucket == B4K && place.slot < lanes.lane[B4K].limit);
            atomic_fetch_add(&carvings[place.slot], 1);
            /* The card's page is there for whoever carved. */
            card_write(lane_card(B4K, run[i]), CARD_LIVE);
            *(char *)run[i] = 1;
        }
        wanted = wanted % 16 + 1;
    }
}

Test(lane, concurrent_carving_gives_each_slot_once)
{
    house_lay_default();
    cr_assert_eq(lanes.lane[B4K].limit, sizeof carvings / sizeof carvings[0]);
    crew_run(THREADS, carve_all);
    cr_assert_eq(lane_carved(B4K), lanes.lane[B4K].limit);
    for (uint32_t slot = 0; slot < lanes.lane[B4K].limit; slot++) {
        cr_assert_eq(carvings[slot], 1, "slot %u was carved %u times", slot, carvings[slot]);
    }
}

/* What can be touched is what was carved, and is behind it what the next slots will be. */
Test(lane, ready_covers_what_was_carved)
{
    void *run[8];
    house_lay_default();
    cr_assert_eq(lane_ready(B16K), 0);
    for (unsigned carved = 8; carved < 400; carved += 8) {
        cr_assert_eq(lane_carve(B16K, 8, run), 8);
        cr_assert_geq(lane_ready(B16K), carved * lanes.lane[B16K].stride);
        cr_assert_eq(lane_ready(B16K) % os_page_size(), 0);
        write_to(lanes.lane[B16K].slots + lane_ready(B16K) - 1);
    }
    capture_fault(write_to, lanes.lane[B16K].slots + lane_ready(B16K));
    cr_assert_eq(lane_ready(B8K), 0);
}

Test(lane, live_is_what_the_cards_say)
{
    void *run[3];
    house_lay_default();
    cr_assert_eq(lane_carve(B16K, 3, run), 3);
    card_write(lane_card(B16K, run[0]), CARD_FREE);
    card_write(lane_card(B16K, run[1]), CARD_LIVE | CARD_GROWN | 9);
    cr_assert_eq(lane_live(B16K), 1);
}
