/*
 * The depots, which all threads share. Each bucket has one, with two stacks of magazines with slots (one for each
 * generation of decay.h) and a stack of empty magazines.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DEPOT_H
#define SOCKMALLOC_DEPOT_H

#include "cache/magazine.h"
#include "memory/decay.h"

/* The depot of a bucket. Each stack has a cache line of its own. */
struct depot {
    struct stack full[DECAY_GENERATIONS];
    struct stack empty;
};

/*
 * Any thread may call the functions below, which take no lock. A magazine counts as full if it has at least one slot.
 */

/*
 * Pops a magazine with slots, and returns it. Returns NULL if the depot has none. Magazines of the young generation,
 * whose slots were freed last, are popped first.
 */
struct magazine *depot_pop_full(unsigned bucket);

/* Returns true if the depot has a magazine with slots in it, no matter how long ago these slots were freed. */
bool depot_has_full(unsigned bucket);

/* Returns true if the depot has a magazine with slots of the old generation, whose slots have been free for longer. */
bool depot_has_old(unsigned bucket);

/*
 * depot_pop_old pops a magazine with slots of the old generation, whose slots have been free for longer, or returns
 * NULL. depot_push_old pushes such a magazine, with the slots that are left in it, back to the old generation, or to
 * the empty magazines if no slot is left.
 */
struct magazine *depot_pop_old(unsigned bucket);
void depot_push_old(unsigned bucket, struct magazine *magazine);

/*
 * Returns an empty magazine: one from the depot, or else a new one. Returns NULL if there is no memory or if the table
 * of magazines is full.
 */
struct magazine *depot_pop_empty(unsigned bucket);

/*
 * Pushes a magazine to the depot: an empty one to the bucket's empty magazines, and one with slots to those of the
 * young generation.
 */
void depot_push(unsigned bucket, struct magazine *magazine);

/* Empties all depots. This function runs in the child of a fork, before the child finds the free slots by their
 * metadata. */
void depot_reset(void);

/* Returns where the depots of all buckets lie, for a debugger. */
struct span depot_span(void);

#endif
