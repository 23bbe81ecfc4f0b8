/* The path for cold slots in the kind `thread`. It allocates slots that were freed so long ago that they have probably
 * left the processor's near caches, and frees slots to places of the magazine whose slots will be cold. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_THREAD_H
#define SOCKMALLOC_POOL_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"

/*
 * A free slot is cold if at least as many slots as a magazine holds have been freed after it: its cache lines have then
 * probably left the processor's near caches. This is not measured for each slot: when a magazine becomes the private
 * one, all of its slots are treated as cold.
 *
 * If programs write to the slots of a bucket, its cold slots have a path of their own. An allocation of a cold slot
 * prefetches the lines to which the program writes first (pool_fetch_lines). A free does not prefetch the first line of
 * the freed slot, because other slots will be allocated before it. The three functions below work on the calling
 * thread's cache, and do nothing if the thread has none.
 */

/* Marks all slots of the private magazine as cold (freed long ago), if programs usually write to the bucket's slots.
 * This function is called after a magazine has become the private one. */
void pool_mark_cold(struct cache *cache, unsigned bucket);

/* Allocates a cold slot, one that was freed long ago. Returns NULL if no cold slot is left, if programs usually leave
 * the bucket's slots empty, or if pages are due to be purged, because each allocation then runs a step of purging. */
void *pool_alloc_cold(unsigned bucket, size_t request, uint8_t *was);

/* Frees a slot to a cold place of the private magazine; the fast path of free does not use such places. If there is
 * none, does nothing and returns false. */
bool pool_free_cold(unsigned bucket, void *slot);

#endif
