/* Each bucket's stacks of slots, loose and purged: the whole of the large pool, the bottom of a
 * trained one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLOTS_H
#define SOCKMALLOC_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stack.h"
#include "memory/decay.h"
#include "memory/region.h"

/* Where slots_pop found a slot. */
enum slots_source { SLOTS_FROM_NONE, SLOTS_FROM_FREE, SLOTS_FROM_PURGED, SLOTS_FROM_CARVED };

/* The loose ones keep their pages and come back warm, last in first out, the young generation
 * first. Purged ones are taken only when none is loose. */
struct slots {
    _Alignas(COLOUR_PAGE) char colour[COLOUR_SLOTS];
    struct stack free[DECAY_GENERATIONS][BUCKET_LIMIT];
    struct stack purged[BUCKET_LIMIT];
};

extern INTERNAL struct slots slots;

/* The number of a loose slot of one generation, or STACK_EMPTY. */
static inline uint32_t slots_pop_generation(size_t bucket, unsigned generation)
{
    return stack_pop(&slots.free[generation][bucket], region.links, region.link_shift);
}

/* The same of either. */
static inline uint32_t slots_pop_free(size_t bucket)
{
    unsigned young = decay_young();
    uint32_t number = slots_pop_generation(bucket, young);
    return LIKELY(number != STACK_EMPTY) ? number : slots_pop_generation(bucket, young ^ 1);
}

/* The slot that was given last, or STACK_EMPTY: it may be gone already. */
static inline uint32_t slots_peek_free(unsigned bucket)
{
    return stack_peek(&slots.free[decay_young()][bucket]);
}

/* Whether a slot was loose, or purged, a moment ago. */
static inline bool slots_have_free(unsigned bucket)
{
    return !stack_is_empty(&slots.free[0][bucket]) || !stack_is_empty(&slots.free[1][bucket]);
}

static inline bool slots_have_purged(unsigned bucket)
{
    return !stack_is_empty(&slots.purged[bucket]);
}

/* A purged slot's number, or STACK_EMPTY. */
static inline uint32_t slots_pop_purged(unsigned bucket)
{
    return stack_pop(&slots.purged[bucket], region.links, region.link_shift);
}

/* A free slot: loose, else purged, else carved. NULL when the range is full or memory has run out.
 * Any thread, no lock. */
static inline void *slots_pop(unsigned bucket, enum slots_source *source)
{
    uint32_t number = slots_pop_free(bucket);
    *source = SLOTS_FROM_FREE;
    if (UNLIKELY(number == STACK_EMPTY)) {
        number = slots_pop_purged(bucket);
        *source = SLOTS_FROM_PURGED;
    }
    if (UNLIKELY(number == STACK_EMPTY)) {
        void *slot = NULL;
        *source = region_carve(bucket, 1, &slot) == 1 ? SLOTS_FROM_CARVED : SLOTS_FROM_NONE;
        return slot;
    }
    return region_slot(number);
}

/* Gives a slot whose metadata says free, to one generation. */
static inline void slots_push_generation(size_t bucket, uint32_t number, unsigned generation)
{
    stack_push(&slots.free[generation][bucket], region.links, region.link_shift, number);
}

/* The same, as one that has just been freed. */
static inline void slots_push(size_t bucket, uint32_t number)
{
    slots_push_generation(bucket, number, decay_young());
}

/* Gives a slot whose metadata says purged. */
static inline void slots_push_purged(unsigned bucket, uint32_t number)
{
    stack_push(&slots.purged[bucket], region.links, region.link_shift, number);
}

/* Forgets all slots. In the child of a fork, before they are counted anew from the metadata. */
void slots_reset(void);

#endif
