/* A card: the metadata of a page of the pools' range, kept out of band, that every free is checked
 * against. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CARD_H
#define SOCKMALLOC_CARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Two tables have an element for each page of the range: a byte with the state, which malloc and
 * free write, and a word with the request, which malloc alone writes. They are apart so that the
 * frees of a process that has just forked write to few pages, which the kernel has to copy.
 *
 * The byte of a page in which no slot begins is zero. That of a slot's first page has
 * CARD_SLOT, the number of the bucket, and one of four states. Relaxed atomics: the thread that
 * holds the slot is alone in writing its card; a double free by two threads is found if the first
 * one is over when the second one looks.
 */
typedef _Atomic uint8_t card_state_byte;
typedef _Atomic uint32_t card_request_word;

enum {
    CARD_STATE_MASK = 0xc0,
    CARD_NEVER_USED = 0x00,
    CARD_LIVE = 0x40,
    CARD_FREE = 0x80,
    CARD_PURGED = 0xc0,  /* the kernel confirmed that it took the pages */
    CARD_LEAVING = 0x20, /* a purged slot whose addresses are about to be given back */
    CARD_SLOT = 0x10,    /* a slot begins at this page */
    CARD_BUCKET_MASK = 0x0f,
};

/* The word: the request in bytes, a mark of the thread that took the slot, and a bit for blocks
 * that realloc has moved to a larger slot before. */
#define CARD_GROWN        UINT32_C(0x80000000)
#define CARD_TAKER_MASK   UINT32_C(0x60000000)
#define CARD_REQUEST_MASK UINT32_C(0x1fffffff)

enum { CARD_TAKERS = 4, CARD_TAKER_SHIFT = 29 };

/* The byte of a slot of the bucket in that state. */
static inline uint8_t card_of(unsigned state, size_t bucket)
{
    return (uint8_t)(state | CARD_SLOT | bucket);
}

static inline unsigned card_state(uint8_t card)
{
    return card & CARD_STATE_MASK;
}

/* Returns true if a slot begins at the page. */
static inline bool card_is_slot(uint8_t card)
{
    return (card & CARD_SLOT) != 0;
}

static inline unsigned card_bucket(uint8_t card)
{
    return card & CARD_BUCKET_MASK;
}

/*
 * Returns true if the card says live, and sets `freed` to what it says once the slot is free. The
 * two states are a quarter of the range apart, so that adding that quarter overflows a signed
 * number for live cards and for no others: check and change are one addition.
 */
static inline bool card_free(uint8_t card, uint8_t *freed)
{
    int8_t sum;
    bool was_live = __builtin_add_overflow((int8_t)card, (int8_t)CARD_LIVE, &sum);
    *freed = (uint8_t)sum;
    return was_live;
}

/* Returns true if the slot's pages still read as zero: they are the kernel's own, and nothing was
 * written to them since. */
static inline bool card_is_zero(uint8_t card)
{
    return card_state(card) == CARD_NEVER_USED || card_state(card) == CARD_PURGED;
}

/* Returns true if the addresses of the slot are about to be given back, or have just been. */
static inline bool card_is_leaving(uint8_t card)
{
    return (card & CARD_LEAVING) != 0;
}

static inline size_t card_request(uint32_t word)
{
    return word & CARD_REQUEST_MASK;
}

/* Returns the mark that a thread writes beside the requests of the slots that it takes. Two
 * threads whose numbers are CARD_TAKERS apart have the same one. */
static inline uint32_t card_taker(size_t number)
{
    return (uint32_t)(number % CARD_TAKERS) << CARD_TAKER_SHIFT;
}

/* Returns true if the word has that mark. */
static inline bool card_is_taken_by(uint32_t word, uint32_t taker)
{
    return ((word ^ taker) & CARD_TAKER_MASK) == 0;
}

#endif
