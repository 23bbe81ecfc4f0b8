/* metadata: the metadata of a page of the pools' range, kept out of band, that every free is checked
 * against. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLOT_META_H
#define SOCKMALLOC_SLOT_META_H

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
 * SLOT_BEGINS, the number of the bucket, and one of four states. Relaxed atomics: the thread that
 * holds the slot is alone in writing its metadata; a double free by two threads is found if the first
 * one is over when the second one looks.
 */
typedef _Atomic uint8_t slot_state_byte;
typedef _Atomic uint32_t slot_request_word;

enum {
    SLOT_STATE_MASK = 0xc0,
    SLOT_NEVER_USED = 0x00,
    SLOT_LIVE = 0x40,
    SLOT_FREE = 0x80,
    SLOT_PURGED = 0xc0,  /* the kernel confirmed that it took the pages */
    SLOT_LEAVING = 0x20, /* a purged slot whose addresses are about to be given back */
    SLOT_BEGINS = 0x10,  /* a slot begins at this page */
    SLOT_BUCKET_MASK = 0x0f,
};

/* The word: the request in bytes, a mark of the thread that took the slot, and a bit for blocks
 * that realloc has moved to a larger slot before. */
#define SLOT_GROWN        UINT32_C(0x80000000)
#define SLOT_OWNER_MASK   UINT32_C(0x60000000)
#define SLOT_REQUEST_MASK UINT32_C(0x1fffffff)

enum { SLOT_OWNERS = 4, SLOT_OWNER_SHIFT = 29 };

/* The byte of a slot of the bucket in that state. */
static inline uint8_t slot_meta_of(unsigned state, size_t bucket)
{
    return (uint8_t)(state | SLOT_BEGINS | bucket);
}

static inline unsigned slot_meta_state(uint8_t meta)
{
    return meta & SLOT_STATE_MASK;
}

/* Returns true if a slot begins at the page. */
static inline bool slot_meta_begins(uint8_t meta)
{
    return (meta & SLOT_BEGINS) != 0;
}

static inline unsigned slot_meta_bucket(uint8_t meta)
{
    return meta & SLOT_BUCKET_MASK;
}

/*
 * Returns true if the metadata says live, and sets `freed` to what it says once the slot is free. The
 * two states are a quarter of the range apart, so that adding that quarter overflows a signed
 * number for live metadata and for no others: check and change are one addition.
 */
static inline bool slot_meta_free(uint8_t meta, uint8_t *freed)
{
    int8_t sum;
    bool was_live = __builtin_add_overflow((int8_t)meta, (int8_t)SLOT_LIVE, &sum);
    *freed = (uint8_t)sum;
    return was_live;
}

/* Returns true if the slot's pages still read as zero: they are the kernel's own, and nothing was
 * written to them since. */
static inline bool slot_meta_is_zero(uint8_t meta)
{
    return slot_meta_state(meta) == SLOT_NEVER_USED || slot_meta_state(meta) == SLOT_PURGED;
}

/* Returns true if the addresses of the slot are about to be given back, or have just been. */
static inline bool slot_meta_is_leaving(uint8_t meta)
{
    return (meta & SLOT_LEAVING) != 0;
}

static inline size_t slot_meta_request(uint32_t word)
{
    return word & SLOT_REQUEST_MASK;
}

/* Returns the mark that a thread writes beside the requests of the slots that it takes. Two
 * threads whose numbers are SLOT_OWNERS apart have the same one. */
static inline uint32_t slot_meta_owner(size_t number)
{
    return (uint32_t)(number % SLOT_OWNERS) << SLOT_OWNER_SHIFT;
}

/* Returns true if the word has that mark. */
static inline bool slot_meta_is_owned_by(uint32_t word, uint32_t owner)
{
    return ((word ^ owner) & SLOT_OWNER_MASK) == 0;
}

#endif
