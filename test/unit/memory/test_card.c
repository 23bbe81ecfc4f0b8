/* The card room: what each state turns into when a slot is freed, and what is kept. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "memory/bucket.h"
#include "memory/card.h"

static const unsigned states[] = {CARD_NEVER_USED, CARD_LIVE, CARD_FREE, CARD_PURGED};

Test(card, zero_is_no_slots)
{
    cr_assert_eq(sizeof(card_state_byte), 1);
    cr_assert_eq(sizeof(card_request_word), 4);
    cr_assert_not(card_is_slot(0));
    for (unsigned state = 0; state < 4; state++) {
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            uint8_t card = card_of(states[state], bucket);
            cr_assert(card_is_slot(card));
            cr_assert_eq(card_state(card), states[state]);
            cr_assert_eq(card_bucket(card), bucket);
            cr_assert_not(card_is_leaving(card));
            cr_assert(card_is_leaving(card_of(states[state] | CARD_LEAVING, bucket)));
        }
    }
}

/* A free slot keeps its taker's mark until the next one writes its own. */
Test(card, tells_four_takers_apart)
{
    for (size_t number = 0; number < 2 * CARD_TAKERS; number++) {
        uint32_t word = card_taker(number) | CARD_REQUEST_MASK;
        cr_assert_eq(card_request(word), CARD_REQUEST_MASK);
        for (size_t other = 0; other < 2 * CARD_TAKERS; other++) {
            bool same = number % CARD_TAKERS == other % CARD_TAKERS;
            cr_assert_eq(card_is_taken_by(word, card_taker(other)), same);
        }
    }
}

Test(card, parts_do_not_overlap)
{
    cr_assert_eq(CARD_GROWN & CARD_REQUEST_MASK, 0);
    cr_assert_eq(CARD_TAKER_MASK & (CARD_GROWN | CARD_REQUEST_MASK), 0);
    cr_assert_eq(CARD_GROWN | CARD_TAKER_MASK | CARD_REQUEST_MASK, UINT32_MAX);
    cr_assert_eq(CARD_STATE_MASK | CARD_LEAVING | CARD_SLOT | CARD_BUCKET_MASK, 0xff);
    cr_assert_eq(CARD_STATE_MASK + CARD_LEAVING + CARD_SLOT + CARD_BUCKET_MASK, 0xff);
    cr_assert_geq(CARD_BUCKET_MASK, BUCKET_LIMIT - 1);
    /* The largest setting of SOCKMALLOC_MAX and of SOCKMALLOC_HEADROOM together. */
    cr_assert_geq(CARD_REQUEST_MASK, (uint32_t)BUCKET_REQUEST_LIMIT + (1U << 20));
}

/* Only a live card can be freed, whatever its other bits say, and they stay. */
Test(card, frees_live_ones_alone)
{
    for (unsigned card = 0; card <= UINT8_MAX; card++) {
        uint8_t freed = 0;
        bool live = (card & CARD_STATE_MASK) == CARD_LIVE;
        cr_assert_eq(card_free((uint8_t)card, &freed), live, "card %x", card);
        if (live) {
            cr_assert_eq(freed, (card & ~(unsigned)CARD_STATE_MASK) | CARD_FREE);
        }
    }
}

Test(card, zero_are_those_that_nobody_has_written_to)
{
    cr_assert(card_is_zero(card_of(CARD_NEVER_USED, 3)));
    cr_assert(card_is_zero(card_of(CARD_PURGED, 3)));
    cr_assert_not(card_is_zero(card_of(CARD_FREE, 3)));
    cr_assert_not(card_is_zero(card_of(CARD_LIVE, 3)));
}
