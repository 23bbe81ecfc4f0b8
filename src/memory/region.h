/* The regions: the range that all slots lie in, from its front on, and the metadata of its pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REGION_H
#define SOCKMALLOC_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/colour.h"
#include "base/span.h"
#include "base/stack.h"
#include "memory/bucket.h"
#include "memory/slot_meta.h"
#include "memory/table.h"

/*
 * One range of addresses grows from its front. Each bucket carves its slots there, in runs, as it
 * needs them; the runs of all buckets lie mixed. A slot's number is that of its first page in the
 * range, and its metadata is found by that number: one subtraction and one shift, whatever the
 * bucket. Pages are counted in granules of 4 KiB, on every machine.
 */
enum {
    REGION_SHIFT = BUCKET_GRANULE_SHIFT,
    REGION_NUMBERS = STACK_NUMBERS /* pages of the longest range: 64 GiB */
};

/* What is said of each bucket's slots. Written at start and never again. */
struct bucket_geometry {
    size_t stride;   /* bytes from the start of one slot to the start of the next of its run */
    size_t capacity; /* bytes of the largest request that a slot can hold */
    uint32_t pages;  /* the stride in granules of 4 KiB */
};

/* The part of the region that fast paths read. Written at start, made read-only at the end of it, never written again.
 */
struct region {
    _Alignas(FROZEN_PAGE) char colour[COLOUR_REGIONS];
    char *start;                 /* of the range; NULL until region_lay */
    slot_state_byte *states;     /* the state byte of each page of the range, as far as the range is usable */
    slot_request_word *requests; /* the request word of each page */
    stack_link *links;           /* one for each 2^link_shift pages, for the stacks; only slow paths read them */
    unsigned link_shift;         /* 2^link_shift pages or more lie between the starts of any two slots */
    unsigned buckets;            /* the number of buckets; 0 until region_lay */
    struct bucket_geometry geometry[BUCKET_LIMIT];
};

/*
 * The part of the region that changes. An address lies in the range if it lies below `slots.ready`. Until region_lay
 * has run this is 0, so no address lies in the range and every call goes to mimalloc; no call has to check whether the
 * library has started.
 */
struct region_growth {
    _Alignas(CACHE_LINE) struct table slots;
    _Alignas(CACHE_LINE) _Atomic uint32_t front; /* the first page that was never carved */
    _Atomic uint32_t carved[BUCKET_LIMIT];       /* the number of slots that each bucket has */
};

extern INTERNAL struct region region;
extern INTERNAL struct region_growth region_growth;

/* Returns the distance of an address from the start of the range, which for all that lies before it
 * is larger than any range. */
FAST_PATH size_t region_offset(const void *address)
{
    return (uintptr_t)address - (uintptr_t)region.start;
}

/* Returns true if an offset lies in the range. Relaxed: a program that has an address from another
 * thread has seen all that came before. */
FAST_PATH bool region_covers(size_t offset)
{
    return offset < atomic_load_explicit(&region_growth.slots.ready, memory_order_relaxed);
}

/* Returns true if an address lies in the range: one subtraction, one comparison. */
FAST_PATH bool region_owns(const void *address)
{
    return region_covers(region_offset(address));
}

/* The number of the page that an address of the range lies in; of a slot, its own. As a whole word,
 * since a fast path that narrows it pays for that. */
FAST_PATH size_t region_page(const void *address)
{
    return region_offset(address) >> REGION_SHIFT;
}

static inline uint32_t region_number(const void *address)
{
    return (uint32_t)region_page(address);
}

/* Returns true if an offset is a page's first byte. */
FAST_PATH bool region_is_exact(size_t offset)
{
    return (offset & (((size_t)1 << REGION_SHIFT) - 1)) == 0;
}

FAST_PATH void *region_slot(size_t number)
{
    return region.start + (number << REGION_SHIFT);
}

FAST_PATH uint8_t region_meta(size_t number)
{
    return atomic_load_explicit(&region.states[number], memory_order_relaxed);
}

FAST_PATH void region_set_meta(size_t number, uint8_t meta)
{
    atomic_store_explicit(&region.states[number], meta, memory_order_relaxed);
}

static inline uint32_t region_request_word(size_t number)
{
    return atomic_load_explicit(&region.requests[number], memory_order_relaxed);
}

FAST_PATH void region_set_request_word(size_t number, uint32_t word)
{
    atomic_store_explicit(&region.requests[number], word, memory_order_relaxed);
}

/* The bytes that were asked for when the slot was last taken or resized. */
static inline size_t region_request(uint32_t number)
{
    return slot_meta_request(region_request_word(number));
}

/* The bucket of a slot. */
static inline unsigned region_bucket(uint32_t number)
{
    return slot_meta_bucket(region_meta(number));
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
INTERNAL struct place region_find(const void *address);

/* Returns the number of the first slot at page `from` or behind it, or REGION_END. Signal-safe. */
#define REGION_END UINT32_MAX
INTERNAL uint32_t region_next(uint32_t from);

/* The next slot behind one that region_next found. */
INTERNAL uint32_t region_after(uint32_t number);

/* Addresses that a range of so many bytes and its tables take; for reserve_open. */
size_t region_space(size_t size);

/* Lays the range and its tables. At start. Returns false if their first pages can't be had. */
bool region_lay(const struct bucket_plan *plan, size_t size);

/* Has huge pages stand behind the range, or keeps them off. At start, before slots are carved. */
void region_choose_huge(bool wanted);

/* Gives back what region_lay has mapped, where the pools can't open after all. */
void region_close(void);

/* Returns true if the range has been laid. */
static inline bool region_is_laid(void)
{
    return region.buckets > 0;
}

/*
 * Takes up to `wanted` slots that were never used, in one run, and stores them in `slots`, the
 * lowest last since that end is taken first. Returns how many: one where memory is short, none when
 * the range is full or the kernel refuses memory. Their pages are untouched and read as zero. Any
 * thread, no lock; a failed call consumed nothing.
 */
unsigned region_carve(unsigned bucket, unsigned wanted, void **slots);

/* The same, and only says the lowest slot's number. */
unsigned region_carve_run(unsigned bucket, unsigned wanted, uint32_t *first);

/*
 * Gives the addresses of a run of slots back, which the caller has taken from where they were:
 * `pages` from `first` on. Returns false, with nothing changed, if the kernel or the number of
 * holes does not allow it.
 */
bool region_return(uint32_t first, uint32_t pages);

/* Forgets a slot, which is no bucket's from now on. */
void region_forget(uint32_t number);

/* Slots of the bucket that there are. */
uint32_t region_carved(unsigned bucket);

/* Adds to `live` how many slots of each bucket are live. Signal-safe; O(pages carved). */
void region_count_live(uint32_t live[BUCKET_LIMIT]);

/* Pages of the range that were ever carved. Nothing behind them is a slot. */
uint32_t region_front(void);

/* Returns true if the range has no room left for a slot of the largest bucket, or if something is
 * in its way: then it is not memory that is missing. */
bool region_is_full(void);

/* Bytes of the range that can be in memory at all. */
size_t region_ready(void);

/* Before a fork, by the thread that forks: lets nobody make the range grow until region_release, which
 * comes in the parent, and first of all in the child. */
void region_hold(void);
void region_release(void);

/* In the child of a fork of several threads, of which one may have been carving, or giving
 * addresses back. */
void region_after_fork(void);

/* The tables that lead to the metadata, as objects that another process may copy over its own. */
struct span region_growth_span(void);

#endif
