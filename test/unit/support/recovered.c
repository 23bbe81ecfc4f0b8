/* Checks that the child of a fork has found all free slots of its parent, and can use them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/recovered.h"

#include <string.h>

#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"

/* for each slot of the range: true if it was live when the latest call of take_each_free began, or if this call has
 * allocated it */
static bool in_use[HOUSE_PAGES];

static void *found[1 << 14];

/* Allocates each free slot of the bucket once. Checks that none of them is in use, that no slot is allocated twice,
 * and that no slot is carved meanwhile. Returns how many slots were allocated. */
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
 * Allocates all free slots and frees them, three times in all, so that they pass through magazines and the depot. The
 * thread is pinned to one processor. On another processor it could not get the slots in the first one's magazine, and
 * would carve new slots instead.
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
