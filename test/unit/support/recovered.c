/* What the child of a fork must be able to do once it has adopted its parent's slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/recovered.h"

#include <string.h>

#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"

/* Slots of a bucket that were live when the child began, or that it took since. */
static bool in_use[HOUSE_PAGES];

static void *found[1 << 14];

/*
 * Takes each free slot of the bucket once: none that is in use, none twice, and none needs carving.
 * How many.
 */
static uint32_t take_each_free(unsigned bucket)
{
    uint32_t carved = region_carved(bucket);
    uint32_t free_ones = carved - house_metadata(bucket, SLOT_LIVE);
    CHECK(carved < sizeof found / sizeof found[0]);
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        in_use[number] = slot_meta_state(region_meta(number)) == SLOT_LIVE;
    }
    for (uint32_t i = 0; i < free_ones; i++) {
        uint8_t was;
        char *slot = house_take(bucket, house_plan.capacity[bucket], &was);
        if (!CHECK(slot != NULL)) {
            return i;
        }
        found[i] = slot;
        uint32_t number = region_number(slot);
        if (!CHECK(number < region_front() && region_bucket(number) == bucket)) {
            return i;
        }
        CHECK(!in_use[number]);
        in_use[number] = true;
        CHECK(!slot_meta_is_zero(was) || (slot[0] == 0 && slot[house_plan.capacity[bucket] - 1] == 0));
        slot[0] = slot[house_plan.capacity[bucket] - 1] = 'c';
    }
    CHECK(region_carved(bucket) == carved);
    return free_ones;
}

/*
 * Three times over, so that the slots pass through magazines and the depot in between. All on one
 * processor: what a processor's magazine holds is out of reach on another, where the thread would
 * have to carve.
 */
void recovered_take_all_free(unsigned bucket)
{
    processors_pin(0);
    for (unsigned round = 0; round < 3; round++) {
        uint32_t count = take_each_free(bucket);
        house_check();
        for (uint32_t i = 0; round < 2 && i < count; i++) {
            house_give(found[i]);
        }
    }
    uint32_t carved = region_carved(bucket);
    void *next = house_take(bucket, house_plan.capacity[bucket], NULL);
    CHECK(next != NULL && region_carved(bucket) > carved);
    house_check();
}

bool recovered_is_in_use(const void *slot)
{
    return in_use[region_number(slot)];
}

void recovered_expect(void)
{
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    house_check();
    CHECK(snapshot.total.cached == 0);
    CHECK(snapshot.total.requests == 0);
}

void recovered_expect_clean(const struct capture *capture)
{
    static char words[sizeof capture->words];
    if (!capture_is_clean(capture)) {
        memcpy(words, capture->words, sizeof words);
        crew_check(false, words[0] != '\0' ? words : "the child died");
    }
}
