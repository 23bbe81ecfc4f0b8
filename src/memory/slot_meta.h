/*
 * The metadata of a page of the range of slots: a byte and a word, which lie apart from the slots. Each free checks the
 * metadata.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLOT_META_H
#define SOCKMALLOC_SLOT_META_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Two tables have an element for each page of the range: a byte with the state, which malloc and free write, and a word
 * with the request, which malloc and realloc write. They are separate tables so that frees write to the smaller one
 * only, because after a fork the kernel copies each page that a process writes to.
 *
 * The byte of a page at which no slot begins is 0. The byte of a slot's first page is the sum of SLOT_BEGINS, the
 * bucket's number, one of four states, and in some states the bit 0x20 (SLOT_LEAVING, SLOT_SLACK). Relaxed loads and
 * stores of byte and word are enough, because only the thread that holds a slot writes its metadata. If two threads
 * free the same slot, the second free is detected if the first free has ended before the second one reads the byte.
 */
typedef _Atomic uint8_t slot_state_byte;
typedef _Atomic uint32_t slot_request_word;

enum {
    SLOT_STATE_MASK = 0xc0,
    SLOT_NEVER_USED = 0x00,
    SLOT_LIVE = 0x40,
    SLOT_FREE = 0x80,
    SLOT_PURGED = 0xc0,  /* the slot was purged: the kernel has confirmed that it has taken the pages */
    SLOT_LEAVING = 0x20, /* added to SLOT_PURGED while the addresses of the slot are being unmapped */
    /* added to SLOT_LIVE if the program keeps data of its own in the unused bytes at the end of the slot; may stay set
     * when the slot is freed */
    SLOT_SLACK = 0x20,
    SLOT_BEGINS = 0x10, /* a slot begins at this page */
    SLOT_BUCKET_MASK = 0x0f,
};

/*
 * The parts of the request word: the request in bytes; two bits that mark the thread that allocated the slot;
 * SLOT_GROWN, which is set if realloc has moved the block into this slot from a smaller one; SLOT_GROWN_AGAIN, which is
 * set as well if realloc had moved the block into the smaller slot before; and SLOT_PACKED, which is set if the slot is
 * divided into several blocks (route/packed). An allocation clears all bits but the request and the mark of the thread.
 */
#define SLOT_GROWN        UINT32_C(0x80000000)
#define SLOT_OWNER_MASK   UINT32_C(0x60000000)
#define SLOT_PACKED       UINT32_C(0x10000000)
#define SLOT_GROWN_AGAIN  UINT32_C(0x08000000)
#define SLOT_REQUEST_MASK UINT32_C(0x07ffffff)

/* SLOT_OWNERS is how many different marks of threads there are, and SLOT_OWNER_SHIFT is where the mark begins in the
 * request word. */
enum { SLOT_OWNERS = 4, SLOT_OWNER_SHIFT = 29 };

/* Returns the state byte of a slot of `bucket` in the state `state`. */
static inline uint8_t slot_meta_of(unsigned state, size_t bucket)
{
    return (uint8_t)(state | SLOT_BEGINS | bucket);
}

/* Returns the state of the slot with this state byte: SLOT_NEVER_USED, SLOT_LIVE, SLOT_FREE or SLOT_PURGED. */
static inline unsigned slot_meta_state(uint8_t meta)
{
    return meta & SLOT_STATE_MASK;
}

/* Returns true if a slot begins at the page with this state byte. */
static inline bool slot_meta_begins(uint8_t meta)
{
    return (meta & SLOT_BEGINS) != 0;
}

/* Returns the number of the bucket of the slot with this state byte. */
static inline unsigned slot_meta_bucket(uint8_t meta)
{
    return meta & SLOT_BUCKET_MASK;
}

/*
 * Returns true if the state byte is that of a live slot. Stores in `freed` the state byte that the slot has after it is
 * freed. One addition does both: SLOT_FREE is SLOT_LIVE + 0x40, and adding 0x40 overflows a signed byte if the state is
 * live and for no other state.
 */
static inline bool slot_meta_free(uint8_t meta, uint8_t *freed)
{
    int8_t sum;
    bool was_live = __builtin_add_overflow((int8_t)meta, (int8_t)SLOT_LIVE, &sum);
    *freed = (uint8_t)sum;
    return was_live;
}

/* Returns true if all bytes of the slot read as zero, because the slot was never used, or purged and not written to
 * since. */
static inline bool slot_meta_is_zero(uint8_t meta)
{
    return slot_meta_state(meta) == SLOT_NEVER_USED || slot_meta_state(meta) == SLOT_PURGED;
}

/* Returns true if the addresses of the slot are being unmapped. */
static inline bool slot_meta_is_leaving(uint8_t meta)
{
    return (meta & (SLOT_STATE_MASK | SLOT_LEAVING)) == (SLOT_PURGED | SLOT_LEAVING);
}

/* Returns true if the slot is live and the program keeps data of its own in the unused bytes at its end
 * (route/slack.h). */
static inline bool slot_meta_has_slack(uint8_t meta)
{
    return (meta & (SLOT_STATE_MASK | SLOT_SLACK)) == (SLOT_LIVE | SLOT_SLACK);
}

/* Returns what malloc_usable_size returns for a slot with this request: the request, rounded up to 16 bytes. */
static inline size_t slot_usable(size_t request)
{
    enum { UNIT = 16 };
    return (request + UNIT - 1) / UNIT * UNIT;
}

/* Returns the request in bytes that a request word contains. */
static inline size_t slot_meta_request(uint32_t word)
{
    return word & SLOT_REQUEST_MASK;
}

/*
 * Returns the mark of the thread whose cache has this number. malloc writes it into the request word of each slot that
 * the thread allocates. There are SLOT_OWNERS marks, so two threads can have equal ones.
 */
static inline uint32_t slot_meta_owner(size_t number)
{
    return (uint32_t)(number % SLOT_OWNERS) << SLOT_OWNER_SHIFT;
}

/* Returns true if the request word has this thread's mark. */
static inline bool slot_meta_is_owned_by(uint32_t word, uint32_t owner)
{
    return ((word ^ owner) & SLOT_OWNER_MASK) == 0;
}

#endif
