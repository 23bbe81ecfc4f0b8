/* Sets up the library for a test, as start-up does: tables, pools, routes and the range (the addresses that all
 * slots lie in). The test's range is smaller. Also checks the library's counters. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/house.h"

#include <criterion/criterion.h>

#include "base/text.h"
#include "cache/cache.h"
#include "cache/magazine.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "os/os.h"
#include "percpu/percpu.h"
#include "pool/in_use.h"
#include "pool/pool.h"
#include "route/packed.h"
#include "route/route.h"
#include "statistics/snapshot.h"
#include "support/crew.h"

struct bucket_plan house_plan;
struct pool_settings house_pools = {
    .kind = KIND_THREAD,
    .cache_limit = UINT64_C(1) << 40,
    .retain_limit = BUDGET_UNLIMITED,
    .large_limit = BUDGET_UNLIMITED,
    .decay = DECAY_NEVER,
    .training = {.frozen = true, .first = {[0 ... BUCKET_LIMIT - 1] = MAGAZINE_SLOTS}},
};

bool house_notes_use;

struct bucket_settings house_defaults(void)
{
    return (struct bucket_settings){
        .minimum = 4096, .maximum = 4 << 20, .large = 85000, .headroom = 4096, .page = os_page_size()};
}

char *house_space(size_t size)
{
    /*
     * This function cuts only an empty part of 0 bytes from the reserved addresses. The empty part takes
     * reserve_space(0) bytes, which is one page that stays unmapped. The caller's bytes lie behind that page.
     */
    return reserve_open(reserve_space(0) + size, NULL) ? reserve_cut(0) + reserve_space(0) : NULL;
}

bool house_try(const struct bucket_settings *settings, unsigned shift)
{
    size_t range = (size_t)1 << shift;
    bucket_plan_make(&house_plan, settings, route.line);
    size_t size = magazine_space() + cache_space() + percpu_space() + packed_space() + region_space(range) +
                  (house_notes_use ? in_use_space(range) : 0);
    if (!reserve_open(size, NULL) || !magazine_lay() || !cache_lay() || !percpu_lay() ||
        (house_notes_use && !in_use_lay(range)) || !packed_lay(&house_plan) || !region_lay(&house_plan, range)) {
        return false;
    }
    pool_open(&house_plan, &house_pools);
    route_publish(&house_plan);
    return true;
}

uint32_t house_limit(unsigned bucket, unsigned shift)
{
    /* The range has no slot on two of its pages: on its first page, and on one page behind the last slot. */
    return (uint32_t)((((size_t)1 << shift) - 2 * os_page_size()) / house_plan.stride[bucket]);
}

void *house_slot(unsigned bucket, uint32_t ordinal)
{
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        if (region_bucket(number) == bucket && ordinal-- == 0) {
            return region_slot(number);
        }
    }
    cr_assert_fail("bucket %u has no such slot", bucket);
    return NULL;
}

uint32_t house_number(unsigned bucket, uint32_t ordinal)
{
    return region_number(house_slot(bucket, ordinal));
}

void house_carve(unsigned bucket, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        void *slot;
        cr_assert_eq(region_carve(bucket, 1, &slot), 1);
    }
}

void house_mark(const void *slot, unsigned state, size_t request)
{
    uint32_t number = region_number(slot);
    region_set_request_word(number, (uint32_t)request);
    region_set_meta(number, slot_meta_of(state, region_bucket(number)));
}

uint32_t house_live(unsigned bucket)
{
    return house_metadata(bucket, SLOT_LIVE);
}

void house_lay(const struct bucket_settings *settings, unsigned shift)
{
    cr_assert(house_try(settings, shift), "no addresses for a range of 2^%u bytes", shift);
}

void house_lay_default(void)
{
    struct bucket_settings settings = house_defaults();
    cr_assert_eq(settings.page, 4096, "the names of the buckets in these tests need 4 KiB pages");
    house_lay(&settings, HOUSE_SHIFT);
}

void *house_take(unsigned bucket, size_t request, uint8_t *was)
{
    void *slot = pool_alloc(bucket_offset_of(bucket), request, was);
    if (slot == NULL && was == NULL) {
        slot = pool_alloc_large(bucket, request);
    }
    return slot != NULL ? slot : pool_alloc_slow(bucket, request, was, NULL);
}

void house_give(void *slot)
{
    route_free("free", slot);
}

uint32_t house_metadata(unsigned bucket, unsigned state)
{
    uint32_t count = 0;
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        count += region_bucket(number) == bucket && slot_meta_state(region_meta(number)) == state;
    }
    return count;
}

/* Returns true if `purged`, the library's count of purged slots, is possible. Slots in the state purged must be
 * counted. Slots that were carved and never used may be counted, too: the library counts them, except those in the
 * magazine of a processor. */
static bool house_purged_agrees(unsigned bucket, uint64_t purged)
{
    uint32_t least = house_metadata(bucket, SLOT_PURGED);
    return purged >= least && purged <= least + house_metadata(bucket, SLOT_NEVER_USED);
}

const struct snapshot_figures *house_figures(unsigned bucket)
{
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    return &snapshot.bucket[bucket];
}

const char *house_fault(void)
{
    static char buffer[256];
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    for (unsigned bucket = 0; bucket < snapshot.buckets; bucket++) {
        const struct snapshot_figures *figures = &snapshot.bucket[bucket];
        if (figures->live + figures->cached + figures->depot + figures->purged != figures->carved ||
            figures->live != house_metadata(bucket, SLOT_LIVE) || !house_purged_agrees(bucket, figures->purged)) {
            struct text text = text_begin(buffer, sizeof buffer);
            text_add(&text,
                     "bucket %s: live %lu + cached %lu + depot %lu + purged %lu, carved %lu; metadata "
                     "say live %u, purged %u",
                     house_plan.label[bucket], figures->live, figures->cached, figures->depot, figures->purged,
                     figures->carved, house_metadata(bucket, SLOT_LIVE), house_metadata(bucket, SLOT_PURGED));
            return buffer;
        }
    }
    return NULL;
}

bool house_check(void)
{
    const char *fault = house_fault();
    return crew_check(fault == NULL, fault);
}

void house_assert(void)
{
    const char *fault = house_fault();
    cr_assert(fault == NULL, "%s", fault);
}
