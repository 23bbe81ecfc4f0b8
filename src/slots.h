/* Each bucket's stacks of slots, loose and purged: the whole of the large pool, the bottom of a
 * trained one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLOTS_H
#define SOCKMALLOC_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "decay.h"
#include "lane.h"
#include "stack.h"

/* Where slots_take found a slot. */
enum slots_source { SLOTS_NONE, SLOTS_LOOSE, SLOTS_PURGED, SLOTS_CARVED };

/* The loose ones keep their pages and come back warm, last in first out, the young generation
 * first. Purged ones are taken only when none is loose. */
struct slots {
    struct stack loose[DECAY_GENERATIONS];
    struct stack purged;
};

extern INTERNAL struct slots slots[BUCKET_LIMIT];

/* A loose slot's number, or STACK_EMPTY. */
static inline uint32_t slots_take_loose(unsigned bucket)
{
    stack_link *links = lanes.lane[bucket].links;
    unsigned young = decay_young();
    uint32_t number = stack_pop(&slots[bucket].loose[young], links);
    return LIKELY(number != STACK_EMPTY) ? number
                                         : stack_pop(&slots[bucket].loose[young ^ 1], links);
}

/* The same, of the old generation alone. */
static inline uint32_t slots_take_old(unsigned bucket)
{
    return stack_pop(&slots[bucket].loose[decay_old()], lanes.lane[bucket].links);
}

/* The slot that was given last, or STACK_EMPTY: it may be gone already. */
static inline uint32_t slots_peek_loose(unsigned bucket)
{
    return stack_peek(&slots[bucket].loose[decay_young()]);
}

/* Whether a slot was loose, or purged, a moment ago. */
static inline bool slots_have_loose(unsigned bucket)
{
    return !stack_is_empty(&slots[bucket].loose[0]) || !stack_is_empty(&slots[bucket].loose[1]);
}

static inline bool slots_have_purged(unsigned bucket)
{
    return !stack_is_empty(&slots[bucket].purged);
}

/* A free slot: loose, else purged, else carved. NULL when the lane is full or memory has run out.
 * Any thread, no lock. */
static inline void *slots_take(unsigned bucket, enum slots_source *source)
{
    uint32_t number = slots_take_loose(bucket);
    *source = SLOTS_LOOSE;
    if (UNLIKELY(number == STACK_EMPTY)) {
        number = stack_pop(&slots[bucket].purged, lanes.lane[bucket].links);
        *source = SLOTS_PURGED;
    }
    if (UNLIKELY(number == STACK_EMPTY)) {
        void *slot = NULL;
        *source = lane_carve(bucket, 1, &slot) == 1 ? SLOTS_CARVED : SLOTS_NONE;
        return slot;
    }
    return lane_slot(bucket, number);
}

/* Gives a slot whose card says free. */
static inline void slots_give(unsigned bucket, uint32_t number)
{
    stack_push(&slots[bucket].loose[decay_young()], lanes.lane[bucket].links, number);
}

/* Gives a slot whose card says purged. */
static inline void slots_give_purged(unsigned bucket, uint32_t number)
{
    stack_push(&slots[bucket].purged, lanes.lane[bucket].links, number);
}

/* Forgets all slots. In the child of a fork, before they are counted anew from the cards. */
void slots_reset(void);

#endif
