/* A house of rooms, laid as birth lays it, only small; and its books. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "house.h"

#include <criterion/criterion.h>

#include "cache.h"
#include "crew.h"
#include "in_use.h"
#include "lane.h"
#include "magazine.h"
#include "os.h"
#include "pool.h"
#include "processor.h"
#include "reserve.h"
#include "route.h"
#include "snapshot.h"
#include "text.h"

/* The heap begins up to 1 GiB behind the program, which must lie behind the lanes. */
enum { REACHING_SHIFT = 32, REACHING_SHIFT_MAX = 36 };

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
    return (struct bucket_settings){.minimum = 4096,
                                    .maximum = 4 << 20,
                                    .large = 85000,
                                    .headroom = 4096,
                                    .page = os_page_size()};
}

char *house_space(size_t size)
{
    return reserve_open(size, NULL) ? reserve_cut(0) : NULL;
}

static bool house_try_before(const struct bucket_settings *settings, unsigned shift, char *end)
{
    bucket_plan_make(&house_plan, settings, route.line);
    size_t size = lane_space(&house_plan, shift) + magazine_space(shift) + cache_space(shift) +
                  processor_space() + (house_notes_use ? in_use_space(&house_plan, shift) : 0);
    if (!reserve_open(size, end)) {
        return false;
    }
    magazine_lay(shift);
    cache_lay(shift);
    processor_lay();
    if (house_notes_use) {
        in_use_lay(&house_plan, shift);
    }
    lane_lay(&house_plan, shift);
    pool_open(&house_plan, &house_pools);
    lane_publish();
    route_publish(&house_plan);
    return true;
}

bool house_try(const struct bucket_settings *settings, unsigned shift)
{
    return house_try_before(settings, shift, NULL);
}

void house_lay(const struct bucket_settings *settings, unsigned shift)
{
    cr_assert(house_try(settings, shift), "no address space for lanes of 2^%u bytes", shift);
}

void house_lay_default(void)
{
    struct bucket_settings settings = house_defaults();
    cr_assert_eq(settings.page, 4096, "the names of the buckets in these tests need 4 KiB pages");
    house_lay(&settings, HOUSE_SHIFT);
}

/*
 * The test runner may have mapped something of its own where the lanes are wished; each distance
 * between lanes wishes for another place.
 */
void house_lay_before_heap(void)
{
    struct bucket_settings settings = house_defaults();
    settings.maximum = 20480;
    settings.large = 16384;
    for (unsigned shift = REACHING_SHIFT; shift <= REACHING_SHIFT_MAX; shift++) {
        char *end = os_break() - lane_heap_distance(shift);
        cr_assert(house_try_before(&settings, shift, end), "no address space");
        if (lanes.reach > lanes.length) {
            return;
        }
    }
    cr_assert_fail("something is mapped at every place before the heap");
}

void *house_take(unsigned bucket, size_t request, uint32_t *was)
{
    void *slot = pool_take(bucket_line_of(bucket), request, was);
    if (slot == NULL && was == NULL) {
        slot = pool_take_large(bucket, request);
    }
    return slot != NULL ? slot : pool_take_slow(bucket, request, was, NULL);
}

void house_give(void *slot)
{
    route_give("free", slot);
}

uint32_t house_cards(unsigned bucket, uint32_t state)
{
    uint32_t count = 0;
    for (uint32_t number = 0; number < lane_carved(bucket); number++) {
        count += card_state(card_read(&lanes.lane[bucket].cards[number])) == state;
    }
    return count;
}

/* Slots whose cards say purged have no pages, and so have those that were carved and never used;
 * but a processor's magazine may hold these. */
static bool house_purged_agrees(unsigned bucket, uint64_t purged)
{
    uint32_t least = house_cards(bucket, CARD_PURGED);
    return purged >= least && purged <= least + house_cards(bucket, CARD_NEVER_USED);
}

const char *house_fault(void)
{
    static char buffer[256];
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    for (unsigned bucket = 0; bucket < snapshot.buckets; bucket++) {
        const struct snapshot_figures *figures = &snapshot.bucket[bucket];
        if (figures->live + figures->cached + figures->depot + figures->purged != figures->carved ||
            figures->live != house_cards(bucket, CARD_LIVE) ||
            !house_purged_agrees(bucket, figures->purged)) {
            struct text text = text_begin(buffer, sizeof buffer);
            text_add(&text,
                     "bucket %s: live %lu + cached %lu + depot %lu + purged %lu, carved %lu; cards "
                     "say live %u, purged %u",
                     house_plan.label[bucket], figures->live, figures->cached, figures->depot,
                     figures->purged, figures->carved, house_cards(bucket, CARD_LIVE),
                     house_cards(bucket, CARD_PURGED));
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
