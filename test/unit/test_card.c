/* The card room: what each state turns into when a slot is freed, and what is kept. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "bucket.h"
#include "card.h"
#include "crew.h"

static const uint32_t states[] = {CARD_NEVER_USED, CARD_LIVE, CARD_FREE, CARD_PURGED};

Test(card, four_bytes_of_zero_say_never_used)
{
    static struct card card;
    cr_assert_eq(sizeof card, 4);
    cr_assert_eq(card_state(card_read(&card)), CARD_NEVER_USED);
    cr_assert_eq(card_request(card_read(&card)), 0);
}

/* What is free keeps its taker's mark until the next one writes his. */
Test(card, tells_four_takers_apart)
{
    for (size_t number = 0; number < 2 * CARD_TAKERS; number++) {
        uint32_t value = card_live(number) | CARD_REQUEST_MASK;
        uint32_t freed = 0;
        cr_assert_eq(card_state(value), CARD_LIVE);
        cr_assert_eq(card_request(value), CARD_REQUEST_MASK);
        cr_assert(card_free(value, &freed));
        for (size_t other = 0; other < 2 * CARD_TAKERS; other++) {
            bool same = number % CARD_TAKERS == other % CARD_TAKERS;
            cr_assert_eq(card_is_taken_by(freed, card_live(other)), same);
        }
    }
}

Test(card, keeps_what_is_written)
{
    struct card card;
    card_write(&card, CARD_LIVE | CARD_GROWN | 16390);
    cr_assert_eq(card_read(&card), CARD_LIVE | CARD_GROWN | 16390);
    cr_assert_eq(card_state(card_read(&card)), CARD_LIVE);
    cr_assert_eq(card_request(card_read(&card)), 16390);
}

Test(card, parts_do_not_overlap)
{
    cr_assert_eq(CARD_STATE_MASK & CARD_GROWN, 0);
    cr_assert_eq(CARD_STATE_MASK & CARD_REQUEST_MASK, 0);
    cr_assert_eq(CARD_GROWN & CARD_REQUEST_MASK, 0);
    cr_assert_eq(CARD_TAKER_MASK & (CARD_STATE_MASK | CARD_GROWN | CARD_REQUEST_MASK), 0);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(states[i] & ~CARD_STATE_MASK, 0);
        for (unsigned j = 0; j < i; j++) {
            cr_assert_neq(states[i], states[j]);
        }
    }
    /* The largest setting of SOCKMALLOC_MAX and of SOCKMALLOC_HEADROOM together. */
    cr_assert_geq(CARD_REQUEST_MASK, (uint32_t)BUCKET_REQUEST_LIMIT + (1U << 20));
}

static void expect_freed(uint32_t state, uint32_t rest)
{
    uint32_t freed = 0;
    cr_assert_eq(card_free(state | rest, &freed), state == CARD_LIVE, "state %x, rest %x", state,
                 rest);
    if (state == CARD_LIVE) {
        cr_assert_eq(freed, CARD_FREE | rest);
    }
}

/* Only a live card can be freed, whatever its other bits say, and they stay. */
Test(card, frees_live_ones_alone)
{
    uint64_t random = 1;
    for (unsigned i = 0; i < 4; i++) {
        expect_freed(states[i], 0);
        expect_freed(states[i], CARD_GROWN);
        expect_freed(states[i], CARD_REQUEST_MASK);
        expect_freed(states[i], CARD_GROWN | CARD_REQUEST_MASK);
        for (unsigned j = 0; j < 100000; j++) {
            expect_freed(states[i], (uint32_t)crew_random(&random) & ~CARD_STATE_MASK);
        }
    }
}

Test(card, zero_are_those_that_nobody_has_written_to)
{
    cr_assert(card_is_zero(CARD_NEVER_USED));
    cr_assert(card_is_zero(CARD_PURGED | 4096));
    cr_assert_not(card_is_zero(CARD_FREE | 4096));
    cr_assert_not(card_is_zero(CARD_LIVE | 4096));
}
