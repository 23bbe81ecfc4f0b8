/* Tests of memory/residency.c, which counts for each bucket the resident bytes of slots in each state, with few system
 * calls. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "memory/region.h"
#include "memory/residency.h"
#include "memory/slot_meta.h"
#include "os/os.h"
#include "support/house.h"
#include "support/os_failing.h"

static const unsigned states[] = {SLOT_NEVER_USED, SLOT_LIVE, SLOT_FREE, SLOT_PURGED};
enum { STATES = sizeof states / sizeof states[0] };

static struct residency measure(unsigned bucket)
{
    struct residency residency[BUCKET_LIMIT];
    residency_measure(residency);
    return residency[bucket];
}

static void expect(unsigned bucket, size_t live, size_t free_bytes, size_t purged)
{
    struct residency residency = measure(bucket);
    const char *label = house_plan.label[bucket];
    cr_assert_eq(residency.live, live, "%s: live %zu, not %zu", label, residency.live, live);
    cr_assert_eq(residency.free, free_bytes, "%s: free %zu, not %zu", label, residency.free, free_bytes);
    cr_assert_eq(residency.purged, purged, "%s: purged %zu, not %zu", label, residency.purged, purged);
}

static char *carve(unsigned bucket, unsigned state)
{
    void *slot;
    cr_assert_eq(region_carve(bucket, 1, &slot), 1);
    house_mark(slot, state, 5000);
    return slot;
}

Test(residency, is_0_until_a_page_is_touched)
{
    house_lay_default();
    expect(B16K, 0, 0, 0);
    carve(B16K, SLOT_LIVE);
    expect(B16K, 0, 0, 0);
}

Test(residency, counts_by_the_metadata)
{
    house_lay_default();
    size_t page = os_page_size();
    for (unsigned i = 0; i < STATES; i++) {
        memset(carve(B16K, states[i]), 'x', (i + 1) * page);
    }
    expect(B16K, 2 * page, (1 + 3) * page, 4 * page);
    expect(B8K, 0, 0, 0);
}

/* Checks the resident bytes of slots in every state. One mincore call covers a piece of addresses of fixed size; some
 * slots lie across the end of such a piece, and some are larger than it. */
static void expect_all_states(unsigned bucket, uint32_t count)
{
    size_t stride = region.geometry[bucket].stride;
    size_t sums[STATES] = {0};
    for (uint32_t number = 0; number < count; number++) {
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

Test(residency, is_exact_for_slots_of_all_sizes)
{
    struct bucket_settings settings = house_defaults();
    settings.maximum = 5000000;
    house_lay(&settings, HOUSE_SHIFT);
    expect_all_states(B4K, 8000);
    expect_all_states(B16K, 3000);
    expect_all_states(B64K, 900);
    expect_all_states(B512K, 100);
    expect_all_states(B4M, 12);
    expect_all_states(B4M + 1, 12);
}

/* One mincore call covers 4 MiB of addresses, however many slots and buckets lie there. */
Test(residency, asks_the_kernel_once_for_many_slots)
{
    house_lay_default();
    size_t chunk = OS_RESIDENCY_PAGES * os_page_size();
    static const unsigned buckets[] = {B4K, B64K, B4M, B4K, B16K};
    for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        for (unsigned more = 0; more < 30; more++) {
            carve(buckets[i], SLOT_LIVE);
        }
        os_failing_never();
        measure(buckets[i]);
        size_t carved = ((size_t)region_front() << REGION_SHIFT) - os_page_size();
        cr_assert_eq(os_failing_looks(), (carved + chunk - 1) / chunk);
    }
}

/* mincore fails for addresses of which a part is unmapped. The pages before and behind the unmapped part must still be
 * counted. */
Test(residency, counts_beside_a_hole)
{
    house_lay_default();
    size_t page = os_page_size();
    void *slot[3];
    cr_assert_eq(region_carve(B256K, 3, slot), 3);
    for (unsigned i = 0; i < 3; i++) {
        house_mark(slot[i], SLOT_LIVE, 5000);
        memset(slot[i], 'x', 2 * page);
    }
    expect(B256K, 6 * page, 0, 0);
    cr_assert(region_return(region_number(slot[1]), region.geometry[B256K].pages));
    expect(B256K, 4 * page, 0, 0);
}

/* If a mincore call fails for addresses that should be mapped, the figures of all buckets are unknown, even if earlier
 * calls have succeeded. */
Test(residency, is_unknown_where_the_kernel_says_nothing)
{
    house_lay_default();
    memset(carve(B16K, SLOT_LIVE), 'x', 5000);
    cr_assert(measure(B16K).known);
    cr_assert_eq(munmap(region.start, region_ready()), 0);
    cr_assert_not(measure(B16K).known);
    expect(B16K, 0, 0, 0);
    cr_assert_not(measure(B8K).known, "the answer is unknown for all buckets");
}
