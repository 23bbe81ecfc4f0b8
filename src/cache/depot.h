/* The depots: each trained bucket's shared magazines, a stack of full ones and a stack of empty
 * ones. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DEPOT_H
#define SOCKMALLOC_DEPOT_H

#include "cache/magazine.h"
#include "memory/decay.h"

/* Any thread, no lock, in all of these. "Full" is any magazine that holds a slot. */

/* A magazine with slots in it, of the young generation first, or NULL. */
struct magazine *depot_pop_full(unsigned bucket);

/* Returns true if the depot has a magazine with slots in it, of either generation. */
bool depot_has_full(unsigned bucket);

/* One of the old generation, or NULL; and what is left of it back to where it came from. */
struct magazine *depot_pop_old(unsigned bucket);
void depot_push_old(unsigned bucket, struct magazine *magazine);

/* An empty magazine: the depot's, else a new one; NULL when memory has run out. */
struct magazine *depot_pop_empty(unsigned bucket);

/* Gives a magazine to the stack that its count says. */
void depot_push(unsigned bucket, struct magazine *magazine);

/* Forgets all magazines. In the child of a fork, before the slots are counted anew from the metadata.
 */
void depot_reset(void);

#endif
