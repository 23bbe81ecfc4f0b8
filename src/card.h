/* A card: the record of one slot, kept out of band, that every free is checked against. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CARD_H
#define SOCKMALLOC_CARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Four bytes: the state, whether the block has grown by realloc before, a mark of the thread that
 * took it, and the request in bytes. Sixteen cards fill a cache line. Relaxed atomics: whoever
 * holds the slot is alone in writing its card; a racing double free is found if the first is over
 * when the second looks.
 */
struct card {
    _Atomic uint32_t word;
};

#define CARD_STATE_MASK   UINT32_C(0xc0000000)
#define CARD_NEVER_USED   UINT32_C(0x00000000) /* what the kernel's zeroed page says by itself */
#define CARD_LIVE         UINT32_C(0x40000000)
#define CARD_FREE         UINT32_C(0x80000000)
#define CARD_PURGED       UINT32_C(0xc0000000) /* the kernel confirmed that it took the pages */
#define CARD_GROWN        UINT32_C(0x20000000)
#define CARD_TAKER_MASK   UINT32_C(0x18000000)
#define CARD_REQUEST_MASK UINT32_C(0x07ffffff)

enum { CARD_TAKERS = 4, CARD_TAKER_SHIFT = 27 };

static inline uint32_t card_read(const struct card *card)
{
    return atomic_load_explicit(&card->word, memory_order_relaxed);
}

static inline void card_write(struct card *card, uint32_t value)
{
    atomic_store_explicit(&card->word, value, memory_order_relaxed);
}

/*
 * What a live card says once its slot is free; false if the card was not live. The two states are a
 * quarter of the range apart, so that adding that quarter overflows a signed number for live cards
 * and for no others: check and change are one addition.
 */
static inline bool card_free(uint32_t value, uint32_t *freed)
{
    int32_t sum;
    bool was_live = __builtin_add_overflow((int32_t)value, (int32_t)CARD_LIVE, &sum);
    *freed = (uint32_t)sum;
    return was_live;
}

/* What a thread writes into the cards of the slots that it takes, beside the request: that they are
 * live, and its mark. Two threads whose numbers are CARD_TAKERS apart have the same one. */
static inline uint32_t card_live(size_t number)
{
    return CARD_LIVE | (uint32_t)(number % CARD_TAKERS) << CARD_TAKER_SHIFT;
}

/* Whether it is the mark of whoever writes `live`. */
static inline bool card_is_taken_by(uint32_t value, uint32_t live)
{
    return ((value ^ live) & CARD_TAKER_MASK) == 0;
}

static inline uint32_t card_state(uint32_t value)
{
    return value & CARD_STATE_MASK;
}

static inline uint32_t card_request(uint32_t value)
{
    return value & CARD_REQUEST_MASK;
}

/* Whether the slot's pages still read as zero: the kernel's own, never written since. */
static inline bool card_is_zero(uint32_t value)
{
    return card_state(value) == CARD_NEVER_USED || card_state(value) == CARD_PURGED;
}

#endif
