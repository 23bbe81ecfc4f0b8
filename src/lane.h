/* The lanes: each bucket's slice of the one reservation, its slots and their cards. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LANE_H
#define SOCKMALLOC_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attributes.h"
#include "bucket.h"
#include "card.h"
#include "colour.h"
#include "region.h"
#include "stack.h"

/* What the fast paths read of a lane. Written at birth, never again. One cache line. */
struct lane {
    _Alignas(CACHE_LINE) char *slots;
    uint64_t inverse; /* 2^64 / stride, rounded up: the division that finds a slot's number */
    struct card *cards;
    stack_link *links; /* second table: only the slow paths come here */
    size_t stride;
    size_t capacity;
    uint32_t limit; /* slots that the lane has room for */
};

/*
 * Until lane_publish has run, `length` is zero: no address is in range, every call falls through,
 * and no call needs to ask whether the library has been born.
 */
struct lanes {
    _Alignas(FROZEN_PAGE) char colour[COLOUR_LANES];
    char *start;
    size_t length;
    size_t reach;   /* length, or one lane's distance more: see lane_reaches */
    unsigned shift; /* log2 of the distance from one lane to the next */
    unsigned count;
    struct lane lane[BUCKET_LIMIT];
};

extern INTERNAL struct lanes lanes;

/*
 * Whether an address needs a look: it lies in the lanes or in the range behind them. There, where
 * the kernel allowed it, lies the program with its heap: addresses that no mimalloc issues, so that
 * free tells libc's blocks and strays from mimalloc's without a test of their own. To lane_find
 * that range is one more lane, of which no address is exact: the inverse of its stride is zero.
 */
FAST_PATH bool lane_reaches(const void *address)
{
    return (uintptr_t)address - (uintptr_t)lanes.start < lanes.reach;
}

_Static_assert(sizeof(struct lane) == CACHE_LINE, "a lane is found by its bucket's line");

/* A bucket's lane, by its line. */
FAST_PATH const struct lane *lane_at(size_t line)
{
    return (const struct lane *)(const void *)((const char *)lanes.lane + line);
}

/* The same by its number: as &lanes.lane[bucket], in fewer instructions. */
FAST_PATH const struct lane *lane_of(size_t bucket)
{
    return lane_at(opaque(bucket_line_of(bucket)));
}

/* Where an address of the lanes lies. Whole words, since a fast path that narrows them pays for
 * that. */
struct place {
    size_t bucket;
    size_t slot;
    bool exact; /* it is the slot's first byte */
};

/* Whether an address lies in the lanes: one subtraction, one comparison. */
FAST_PATH bool lane_owns(const void *address)
{
    return (uintptr_t)address - (uintptr_t)lanes.start < lanes.length;
}

/*
 * Which slot? One multiplication: the upper half of offset times 2^64/stride is the slot's number,
 * and the lower half is smaller than 2^64/stride just when nothing remains. (D. Lemire, O. Kaser,
 * N. Kurz, "Faster remainder by direct computation", 2019; lane_reserve keeps offset x stride below
 * 2^64.)
 */
FAST_PATH struct place lane_find(const void *address)
{
    size_t offset = (uintptr_t)address - (uintptr_t)lanes.start;
    size_t bucket = offset >> lanes.shift;
    const struct lane *lane = lane_of(bucket);
    uint64_t within = (uintptr_t)address - (uintptr_t)lane->slots;
    unsigned __int128 product = (unsigned __int128)within * lane->inverse;
    return (struct place){.bucket = bucket,
                          .slot = (size_t)(product >> 64),
                          .exact = (uint64_t)product < lane->inverse};
}

/* The card of a slot whose lane is known. */
FAST_PATH struct card *lane_card_in(const struct lane *lane, const void *slot)
{
    uint64_t within = (uintptr_t)slot - (uintptr_t)lane->slots;
    return &lane->cards[(uint64_t)(((unsigned __int128)within * lane->inverse) >> 64)];
}

static inline struct card *lane_card(size_t bucket, const void *slot)
{
    return lane_card_in(lane_of(bucket), slot);
}

static inline uint32_t lane_number(unsigned bucket, const void *slot)
{
    const struct lane *lane = lane_of(bucket);
    return (uint32_t)(((uintptr_t)slot - (uintptr_t)lane->slots) / lane->stride);
}

static inline void *lane_slot(size_t bucket, uint32_t number)
{
    const struct lane *lane = lane_of(bucket);
    return lane->slots + number * lane->stride;
}

/* Address space that lanes at this distance take, tables included; for lane_reserve's caller to add
 * up. */
size_t lane_space(const struct bucket_plan *plan, unsigned shift);

/* Cuts the lanes and their tables out of the reservation. At birth. */
void lane_lay(const struct bucket_plan *plan, unsigned shift);

/* How far behind the lanes the program's heap should begin, so that the heap may grow as far again.
 */
size_t lane_heap_distance(unsigned shift);

/* Whether huge pages shall stand behind the lanes, or must not. At birth, before slots are carved.
 */
void lane_choose_huge(bool wanted);

/* Opens the range: from here on addresses are found in it. The last step of birth. */
void lane_publish(void);

/*
 * Takes up to `wanted` slots that were never used, in one run, and stores them in `slots`, the
 * lowest last since that end is taken first. Returns how
 * many: fewer at the lane's end, none when the lane is full or the kernel refuses memory. Their
 * pages are untouched and read as zero. Any thread, no lock; a failed call consumed nothing.
 */
unsigned lane_carve(unsigned bucket, unsigned wanted, void **slots);

/* The same, and only says the lowest slot's number. */
unsigned lane_carve_run(unsigned bucket, unsigned wanted, uint32_t *first);

/* Slots carved so far. */
uint32_t lane_carved(unsigned bucket);

/* Slots whose cards say live. Signal-safe; O(carved). */
uint32_t lane_live(unsigned bucket);

/* Bytes of the lane, from its start on, that can be in memory at all: what was carved, and what
 * will be next. */
size_t lane_ready(unsigned bucket);

/* How far the buckets have come, as an object that another process may copy over its own. */
struct region lane_growth_region(void);

#endif
