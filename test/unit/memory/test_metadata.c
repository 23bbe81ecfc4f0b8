/* Tests of memory/slot_meta.h, the metadata of a slot: its state after a free, and which other bits a free leaves. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "memory/bucket.h"
#include "memory/slot_meta.h"

static const unsigned states[] = {SLOT_NEVER_USED, SLOT_LIVE, SLOT_FREE, SLOT_PURGED};

Test(slot_meta, zero_belongs_to_no_slot)
{
    cr_assert_eq(sizeof(slot_state_byte), 1);
    cr_assert_eq(sizeof(slot_request_word), 4);
    cr_assert_not(slot_meta_begins(0));
    for (unsigned state = 0; state < 4; state++) {
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            uint8_t meta = slot_meta_of(states[state], bucket);
            cr_assert(slot_meta_begins(meta));
            cr_assert_eq(slot_meta_state(meta), states[state]);
            cr_assert_eq(slot_meta_bucket(meta), bucket);
            cr_assert_not(slot_meta_is_leaving(meta));
            /*
             * In a purged slot this bit, SLOT_LEAVING, means that the addresses of the slot are being unmapped. In a
             * live slot the same bit is SLOT_SLACK, which may stay set when the slot is freed. So slot_meta_is_leaving
             * must also look at the state.
             */
            bool leaves = slot_meta_is_leaving(slot_meta_of(states[state] | SLOT_LEAVING, bucket));
            cr_assert_eq(leaves, states[state] == SLOT_PURGED);
            bool has_slack = slot_meta_has_slack(slot_meta_of(states[state] | SLOT_SLACK, bucket));
            cr_assert_eq(has_slack, states[state] == SLOT_LIVE);
        }
    }
}

/* The metadata has a mark of the thread that has allocated the slot. A free slot keeps the mark until another thread
 * allocates it. */
Test(slot_meta, distinguishes_four_owners)
{
    for (size_t number = 0; number < 2 * SLOT_OWNERS; number++) {
        uint32_t word = slot_meta_owner(number) | SLOT_REQUEST_MASK;
        cr_assert_eq(slot_meta_request(word), SLOT_REQUEST_MASK);
        for (size_t other = 0; other < 2 * SLOT_OWNERS; other++) {
            bool same = number % SLOT_OWNERS == other % SLOT_OWNERS;
            cr_assert_eq(slot_meta_is_owned_by(word, slot_meta_owner(other)), same);
        }
    }
}

Test(slot_meta, parts_do_not_overlap)
{
    static const uint32_t parts[] = {SLOT_GROWN, SLOT_OWNER_MASK, SLOT_PACKED, SLOT_GROWN_AGAIN, SLOT_REQUEST_MASK};
    uint32_t all = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        cr_assert_eq(all & parts[i], 0);
        all |= parts[i];
    }
    cr_assert_eq(all, UINT32_MAX);
    cr_assert_eq(SLOT_STATE_MASK | SLOT_LEAVING | SLOT_BEGINS | SLOT_BUCKET_MASK, 0xff);
    cr_assert_eq(SLOT_STATE_MASK + SLOT_LEAVING + SLOT_BEGINS + SLOT_BUCKET_MASK, 0xff);
    cr_assert_geq(SLOT_BUCKET_MASK, BUCKET_LIMIT - 1);
    /* The request field must be able to hold the largest SOCKMALLOC_MAX plus the largest SOCKMALLOC_HEADROOM. */
    cr_assert_geq(SLOT_REQUEST_MASK, (uint32_t)BUCKET_REQUEST_LIMIT + (1U << 20));
}

/* Only a live slot can be freed, whatever the other bits of its metadata are. A free leaves those bits unchanged. */
Test(slot_meta, frees_only_live_slots)
{
    for (unsigned meta = 0; meta <= UINT8_MAX; meta++) {
        uint8_t freed = 0;
        bool live = (meta & SLOT_STATE_MASK) == SLOT_LIVE;
        cr_assert_eq(slot_meta_free((uint8_t)meta, &freed), live, "metadata %x", meta);
        if (live) {
            cr_assert_eq(freed, (meta & ~(unsigned)SLOT_STATE_MASK) | SLOT_FREE);
        }
    }
}

Test(slot_meta, unwritten_slots_are_zero)
{
    cr_assert(slot_meta_is_zero(slot_meta_of(SLOT_NEVER_USED, 3)));
    cr_assert(slot_meta_is_zero(slot_meta_of(SLOT_PURGED, 3)));
    cr_assert_not(slot_meta_is_zero(slot_meta_of(SLOT_FREE, 3)));
    cr_assert_not(slot_meta_is_zero(slot_meta_of(SLOT_LIVE, 3)));
}
