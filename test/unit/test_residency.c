/* The residency room: every page under its slot's state, and few questions to the kernel. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "card.h"
#include "house.h"
#include "lane.h"
#include "os.h"
#include "os_failing.h"
#include "residency.h"

static const uint32_t states[] = {CARD_NEVER_USED, CARD_LIVE | 5000, CARD_FREE | 5000,
                                  CARD_PURGED | 5000};
enum { STATES = sizeof states / sizeof states[0] };

static struct residency measure(unsigned bucket)
{
    struct residency residency = {1, 2, 3, true};
    residency_measure(bucket, &residency);
    return residency;
}

static void expect(unsigned bucket, size_t live, size_t free_bytes, size_t purged)
{
    struct residency residency = measure(bucket);
    const char *label = house_plan.label[bucket];
    cr_assert_eq(residency.live, live, "%s: live %zu, not %zu", label, residency.live, live);
    cr_assert_eq(residency.free, free_bytes, "%s: free %zu, not %zu", label, residency.free,
                 free_bytes);
    cr_assert_eq(residency.purged, purged, "%s: purged %zu, not %zu", label, residency.purged,
                 purged);
}

static char *carve(unsigned bucket, uint32_t card)
{
    void *slot;
    cr_assert_eq(lane_carve(bucket, 1, &slot), 1);
    card_write(lane_card(bucket, slot), card);
    return slot;
}

Test(residency, is_nothing_until_a_page_is_touched)
{
    house_lay_default();
    expect(B16K, 0, 0, 0);
    carve(B16K, CARD_LIVE | 5000);
    expect(B16K, 0, 0, 0);
}

Test(residency, goes_by_the_card)
{
    house_lay_default();
    size_t page = os_page_size();
    for (unsigned i = 0; i < STATES; i++) {
        memset(carve(B16K, states[i]), 'x', (i + 1) * page);
    }
    expect(B16K, 2 * page, (1 + 3) * page, 4 * page);
    expect(B8K, 0, 0, 0);
}

/* A huge page, or one that came ahead of its use, can lie behind the last slot. */
Test(residency, pages_behind_the_last_slot_are_free)
{
    house_lay_default();
    size_t page = os_page_size();
    char *slot = carve(B64K, CARD_LIVE | 65536);
    slot[lanes.lane[B64K].stride - 1] = 'x';
    memset(slot + lanes.lane[B64K].stride, 'x', 3 * page);
    lanes.lane[B64K].slots[lane_ready(B64K) - 1] = 'x';
    expect(B64K, page, 4 * page, 0);
}

/* Slots lie across the ends of what one call may ask, and are larger than that. */
static void expect_all_states(unsigned bucket)
{
    size_t stride = lanes.lane[bucket].stride;
    size_t sums[STATES] = {0};
    for (uint32_t number = 0; number < lanes.lane[bucket].limit; number++) {
        unsigned state = number * 7 % STATES;
        char *slot = carve(bucket, states[state]);
        for (size_t at = number % 3 * os_page_size(); at < stride; at += 2 * os_page_size()) {
            slot[at] = 'x';
            sums[state] += os_page_size();
        }
    }
    expect(bucket, sums[1], sums[0] + sums[2], sums[3]);
    cr_assert_gt(sums[1], 0);
}

Test(residency, is_exact_in_full_lanes)
{
    struct bucket_settings settings = house_defaults();
    settings.maximum = 5000000;
    house_lay(&settings, HOUSE_SHIFT);
    static const unsigned buckets[] = {B4K, B16K, B64K, B512K, B4M, B4M + 1};
    for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        expect_all_states(buckets[i]);
    }
}

/* A lane of 64 MiB costs 16 system calls, and one that is short one, however many slots there are.
 */
Test(residency, asks_the_kernel_once_for_many_slots)
{
    house_lay_default();
    size_t chunk = OS_RESIDENCY_PAGES * os_page_size();
    static const unsigned buckets[] = {B4K, B64K, B4M};
    for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        unsigned bucket = buckets[i];
        carve(bucket, CARD_LIVE | 5000);
        while (lane_carved(bucket) < lanes.lane[bucket].limit) {
            os_failing_never();
            measure(bucket);
            cr_assert_eq(os_failing_looks(), (lane_ready(bucket) + chunk - 1) / chunk);
            for (unsigned more = 0; more < 100 && lane_carved(bucket) < lanes.lane[bucket].limit;
                 more++) {
                carve(bucket, CARD_LIVE | 5000);
            }
        }
    }
}

/* What the kernel does not say is unknown, also where it said something of the bucket before. */
Test(residency, is_unknown_where_the_kernel_says_nothing)
{
    house_lay_default();
    memset(carve(B16K, CARD_LIVE | 5000), 'x', 5000);
    cr_assert(measure(B16K).known);
    cr_assert_eq(munmap(lanes.lane[B16K].slots, lane_ready(B16K)), 0);
    cr_assert_not(measure(B16K).known);
    expect(B16K, 0, 0, 0);
    cr_assert(measure(B8K).known);
}
