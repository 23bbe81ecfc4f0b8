/* The depots: for each bucket, a stack of magazines with slots and a stack of empty ones, shared by all threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DEPOT_H
#define SOCKMALLOC_DEPOT_H

#include "cache/magazine.h"
#include "memory/decay.h"

/* Any thread may call these functions; there is no lock. A magazine counts as full if it holds at least one slot. */

/* Returns a magazine with slots, of the young generation first (memory/decay.h), or NULL. */
struct magazine *depot_pop_full(unsigned bucket);

/* Returns true if the depot has a magazine with slots in it, of either generation. */
bool depot_has_full(unsigned bucket);

/* depot_pop_old returns a magazine with slots of the old generation, or NULL. depot_push_old pushes the rest of such a
 * magazine back to the old generation. */
struct magazine *depot_pop_old(unsigned bucket);
void depot_push_old(unsigned bucket, struct magazine *magazine);

/* Returns an empty magazine: one of the depot, else a new one. Returns NULL if memory has run out or the table is
 * full. */
struct magazine *depot_pop_empty(unsigned bucket);

/* Pushes a magazine to the bucket's empty ones or, if it holds slots, to the young generation. */
void depot_push(unsigned bucket, struct magazine *magazine);

/* Forgets all magazines. It runs in the child of a fork, before the free slots are found again by their metadata. */
void depot_reset(void);

#endif
