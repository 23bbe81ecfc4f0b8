/* Each bucket's two stacks of slots, loose and purged: the whole of the large pool, the bottom of a
 * trained one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLOTS_H
#define SOCKMALLOC_SLOTS_H

#include <stdint.h>

#include "lane.h"
#include "stack.h"

/* Where slots_take found a slot. */
enum slots_source { SLOTS_NONE, SLOTS_LOOSE, SLOTS_PURGED, SLOTS_CARVED };

/* The loose ones keep their pages and come back warm, last in first out. Purged ones are taken only
 * when none is loose. */
struct slots {
    struct stack loose;
    struct stack purged;
};

extern INTERNAL struct slots slots[BUCKET_LIMIT];

/* A free slot: loose, else purged, else carved. NULL when the lane is full or memory has run out.
 * Any thread, no lock. */
static inline void *slots_take(unsigned bucket, enum slots_source *source)
{
    stack_link *links = lanes.lane[bucket].links;
    uint32_t number = stack_pop(&slots[bucket].loose, links);
    *source = SLOTS_LOOSE;
    if (UNLIKELY(number == STACK_EMPTY)) {
        number = stack_pop(&slots[bucket].purged, links);
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
    stack_push(&slots[bucket].loose, lanes.lane[bucket].links, number);
}

/* Gives a slot whose card says purged. */
static inline void slots_give_purged(unsigned bucket, uint32_t number)
{
    stack_push(&slots[bucket].purged, lanes.lane[bucket].links, number);
}

/* A loose slot to be purged, or STACK_EMPTY. */
static inline uint32_t slots_take_loose(unsigned bucket)
{
    return stack_pop(&slots[bucket].loose, lanes.lane[bucket].links);
}

/* Forgets all slots. In the child of a fork, before they are counted anew from the cards. */
void slots_reset(void);

#endif
