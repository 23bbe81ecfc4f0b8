/* The lanes: the range that all slots lie in, from its front on, and the metadata of its pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LANE_H
#define SOCKMALLOC_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "memory/bucket.h"
#include "memory/card.h"
#include "base/colour.h"
#include "base/region.h"
#include "base/stack.h"
#include "memory/table.h"

/*
 * One range of addresses grows from its front. Each bucket carves its slots there, in runs, as it
 * needs them; the runs of all buckets lie mixed. A slot's number is that of its first page in the
 * range, and its metadata is found by that number: one subtraction and one shift, whatever the
 * bucket. Pages are counted in granules of 4 KiB, on every machine.
 */
enum {
    LANE_SHIFT = BUCKET_GRANULE_SHIFT,
    LANE_NUMBERS = STACK_NUMBERS /* pages of the longest range: 64 GiB */
};

/* What a bucket's slots are like. Written at birth, never again. */
struct lane {
    size_t stride; /* from one slot to the next of its run */
    size_t capacity;
    uint32_t pages; /* the stride, in granules */
};

/* What the fast paths read. Written at birth, never again. */
struct lanes {
    _Alignas(FROZEN_PAGE) char colour[COLOUR_LANES];
    char *start;
    card_state_byte *states; /* an element a page, each of them; they reach as far as the range */
    card_request_word *requests;
    stack_link *links; /* only the slow paths come here */
    unsigned
        link_shift; /* slots are 2^so many pages long at least: the links of 2^so many are one */
    unsigned count;
    struct lane lane[BUCKET_LIMIT];
};

/*
 * The range itself: addresses below its `ready` are the pools'. Until lane_lay has run that is
 * zero: no address is in range, every call falls through, and no call needs to ask whether the
 * library has been born.
 */
struct lane_range {
    _Alignas(CACHE_LINE) struct table slots;
    _Alignas(CACHE_LINE) _Atomic uint32_t front; /* the first page that was never carved */
    _Atomic uint32_t carved[BUCKET_LIMIT];       /* slots of each bucket */
};

extern INTERNAL struct lanes lanes;
extern INTERNAL struct lane_range lane_range;

/* Returns the distance of an address from the start of the range, which for all that lies before it
 * is larger than any range. */
FAST_PATH size_t lane_offset(const void *address)
{
    return (uintptr_t)address - (uintptr_t)lanes.start;
}

/* Returns true if an offset lies in the range. Relaxed: a program that has an address from another
 * thread has seen all that came before. */
FAST_PATH bool lane_covers(size_t offset)
{
    return offset < atomic_load_explicit(&lane_range.slots.ready, memory_order_relaxed);
}

/* Returns true if an address lies in the range: one subtraction, one comparison. */
FAST_PATH bool lane_owns(const void *address)
{
    return lane_covers(lane_offset(address));
}

/* The number of the page that an address of the range lies in; of a slot, its own. As a whole word,
 * since a fast path that narrows it pays for that. */
FAST_PATH size_t lane_page(const void *address)
{
    return lane_offset(address) >> LANE_SHIFT;
}

static inline uint32_t lane_number(const void *address)
{
    return (uint32_t)lane_page(address);
}

/* Returns true if an offset is a page's first byte. */
FAST_PATH bool lane_is_exact(size_t offset)
{
    return (offset & (((size_t)1 << LANE_SHIFT) - 1)) == 0;
}

FAST_PATH void *lane_slot(size_t number)
{
    return lanes.start + (number << LANE_SHIFT);
}

FAST_PATH uint8_t lane_card(size_t number)
{
    return atomic_load_explicit(&lanes.states[number], memory_order_relaxed);
}

FAST_PATH void lane_set_card(size_t number, uint8_t card)
{
    atomic_store_explicit(&lanes.states[number], card, memory_order_relaxed);
}

static inline uint32_t lane_request_word(size_t number)
{
    return atomic_load_explicit(&lanes.requests[number], memory_order_relaxed);
}

FAST_PATH void lane_set_request_word(size_t number, uint32_t word)
{
    atomic_store_explicit(&lanes.requests[number], word, memory_order_relaxed);
}

/* The bytes that were asked for when the slot was last taken or resized. */
static inline size_t lane_request(uint32_t number)
{
    return card_request(lane_request_word(number));
}

/* The bucket of a slot. */
static inline unsigned lane_bucket(uint32_t number)
{
    return card_bucket(lane_card(number));
}

/* Where an address of the range lies: in which slot, if in any. */
struct place {
    bool found; /* false where no slot was carved */
    bool exact; /* it is the slot's first byte */
    unsigned bucket;
    uint32_t number;
};

/* Looks behind an address for the slot that it lies in. For messages: as slow as the slot is long.
 */
INTERNAL struct place lane_find(const void *address);

/* Returns the number of the first slot at page `from` or behind it, or LANE_END. Signal-safe. */
#define LANE_END UINT32_MAX
INTERNAL uint32_t lane_next(uint32_t from);

/* The next slot behind one that lane_next found. */
INTERNAL uint32_t lane_after(uint32_t number);

/* Addresses that a range of so many bytes and its tables take; for reserve_open. */
size_t lane_space(size_t size);

/* Lays the range and its tables. At birth. Returns false if their first pages can't be had. */
bool lane_lay(const struct bucket_plan *plan, size_t size);

/* Has huge pages stand behind the range, or keeps them off. At birth, before slots are carved. */
void lane_choose_huge(bool wanted);

/* Gives back what lane_lay has mapped, where the pools can't open after all. */
void lane_close(void);

/* Returns true if the range has been laid. */
static inline bool lane_is_laid(void)
{
    return lanes.count > 0;
}

/*
 * Takes up to `wanted` slots that were never used, in one run, and stores them in `slots`, the
 * lowest last since that end is taken first. Returns how many: one where memory is short, none when
 * the range is full or the kernel refuses memory. Their pages are untouched and read as zero. Any
 * thread, no lock; a failed call consumed nothing.
 */
unsigned lane_carve(unsigned bucket, unsigned wanted, void **slots);

/* The same, and only says the lowest slot's number. */
unsigned lane_carve_run(unsigned bucket, unsigned wanted, uint32_t *first);

/*
 * Gives the addresses of a run of slots back, which the caller has taken from where they were:
 * `pages` from `first` on. Returns false, with nothing changed, if the kernel or the number of
 * holes does not allow it.
 */
bool lane_return(uint32_t first, uint32_t pages);

/* Forgets a slot, which is no bucket's from now on. */
void lane_forget(uint32_t number);

/* Slots of the bucket that there are. */
uint32_t lane_carved(unsigned bucket);

/* Adds to `live` how many slots of each bucket are live. Signal-safe; O(pages carved). */
void lane_count_live(uint32_t live[BUCKET_LIMIT]);

/* Pages of the range that were ever carved. Nothing behind them is a slot. */
uint32_t lane_front(void);

/* Returns true if the range has no room left for a slot of the largest bucket, or if something is
 * in its way: then it is not memory that is missing. */
bool lane_is_full(void);

/* Bytes of the range that can be in memory at all. */
size_t lane_ready(void);

/* Before a fork, by the thread that forks: lets nobody make the range grow until lane_release, which
 * comes in the parent, and first of all in the child. */
void lane_hold(void);
void lane_release(void);

/* In the child of a fork of several threads, of which one may have been carving, or giving
 * addresses back. */
void lane_after_fork(void);

/* The tables that lead to the metadata, as objects that another process may copy over its own. */
struct region lane_range_region(void);

#endif
