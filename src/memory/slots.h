/*
 * The stacks of free slots and of purged slots of each bucket. The free slots of the large pool lie only on these
 * stacks, apart from a spare slot that a thread may keep; other buckets have magazines and depots too.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLOTS_H
#define SOCKMALLOC_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stack.h"
#include "memory/decay.h"
#include "memory/region.h"

/* The place where slots_pop found a slot. */
enum slots_source { SLOTS_FROM_NONE, SLOTS_FROM_FREE, SLOTS_FROM_PURGED, SLOTS_FROM_CARVED };

/*
 * Free slots keep their pages. The slot that was freed last is popped first, because its cache lines are most likely in
 * the processor's cache. There is a stack for each of the two generations into which decay.h divides free slots by age.
 * Purged slots have no pages, so they are popped only if no free slot is left.
 */
struct slots {
    _Alignas(COLOUR_PAGE) char colour[COLOUR_SLOTS];
    struct stack free[DECAY_GENERATIONS][BUCKET_LIMIT];
    struct stack purged[BUCKET_LIMIT];
};

extern INTERNAL struct slots slots;

/* Pops the number of a free slot of one generation (the slots freed lately or those freed longer ago), or returns
 * STACK_EMPTY. */
static inline uint32_t slots_pop_generation(size_t bucket, unsigned generation)
{
    return stack_pop(&slots.free[generation][bucket], region.links, region.link_shift);
}

/*
 * Pops the number of a free slot: one of the young generation (slots freed lately) or, if there is none, one of the old
 * generation (slots freed longer ago). Returns STACK_EMPTY if there is none of either.
 */
static inline uint32_t slots_pop_free(size_t bucket)
{
    unsigned young = decay_young();
    uint32_t number = slots_pop_generation(bucket, young);
    return LIKELY(number != STACK_EMPTY) ? number : slots_pop_generation(bucket, young ^ 1);
}

/*
 * Returns the number of the slot that was freed last, or STACK_EMPTY if the young generation (slots freed lately) has
 * no free slot of the bucket. Another thread may have popped the slot when the function returns.
 */
static inline uint32_t slots_peek_free(unsigned bucket)
{
    return stack_peek(&slots.free[decay_young()][bucket]);
}

/* Returns true if the bucket had a free slot when its stacks were read. */
static inline bool slots_have_free(unsigned bucket)
{
    return !stack_is_empty(&slots.free[0][bucket]) || !stack_is_empty(&slots.free[1][bucket]);
}

/* Returns true if the bucket had a free slot of the old generation (the slots freed longer ago) when its stack was
 * read. */
static inline bool slots_have_old(unsigned bucket)
{
    return !stack_is_empty(&slots.free[decay_old()][bucket]);
}

/* Returns true if the bucket had a purged slot when its stack was read. */
static inline bool slots_have_purged(unsigned bucket)
{
    return !stack_is_empty(&slots.purged[bucket]);
}

/* Pops the number of a purged slot, or returns STACK_EMPTY. */
static inline uint32_t slots_pop_purged(unsigned bucket)
{
    return stack_pop(&slots.purged[bucket], region.links, region.link_shift);
}

/*
 * Returns a slot of the bucket: a free one, or else a purged one, or else a new one, which it carves. Stores in
 * `source` which of these it is, and counts a purged slot by decay_count_missed. Returns NULL if the range is full or
 * there is no memory. Any thread may call this function, which takes no lock.
 */
static inline void *slots_pop(unsigned bucket, enum slots_source *source)
{
    uint32_t number = slots_pop_free(bucket);
    *source = SLOTS_FROM_FREE;
    if (UNLIKELY(number == STACK_EMPTY)) {
        number = slots_pop_purged(bucket);
        *source = SLOTS_FROM_PURGED;
        decay_count_missed(number != STACK_EMPTY ? region.geometry[bucket].stride : 0);
    }
    if (UNLIKELY(number == STACK_EMPTY)) {
        void *slot = NULL;
        *source = region_carve(bucket, 1, &slot) == 1 ? SLOTS_FROM_CARVED : SLOTS_FROM_NONE;
        return slot;
    }
    return region_slot(number);
}

/*
 * Pushes a slot onto the stack of the free slots of one generation (those freed lately or those freed longer ago). The
 * state in the slot's metadata must be SLOT_FREE.
 */
static inline void slots_push_generation(size_t bucket, uint32_t number, unsigned generation)
{
    stack_push(&slots.free[generation][bucket], region.links, region.link_shift, number);
}

/*
 * Pushes a slot that has just been freed to the stack of the young generation (the slots freed lately). The state in
 * the slot's metadata must be SLOT_FREE.
 */
static inline void slots_push(size_t bucket, uint32_t number)
{
    slots_push_generation(bucket, number, decay_young());
}

/*
 * Pushes a slot to the stack of purged slots. The state in the slot's metadata must be SLOT_PURGED or SLOT_NEVER_USED.
 */
static inline void slots_push_purged(unsigned bucket, uint32_t number)
{
    stack_push(&slots.purged[bucket], region.links, region.link_shift, number);
}

/*
 * Empties all stacks. This function runs in the child of a fork, which then finds the free slots again by their
 * metadata.
 */
void slots_reset(void);

#endif
