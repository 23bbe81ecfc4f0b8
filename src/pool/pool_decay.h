/* Ticks: in some of its frees a thread reads the clock, and purges a few slots that have been free for long enough. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_DECAY_H
#define SOCKMALLOC_POOL_DECAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "cache/cache.h"

/*
 * Runs a tick of a thread that has its own cache, after the thread has freed `slot`: may sample the slot, and reads the
 * clock. If the clock has advanced, adapts quotas (training_rest), and runs one step of purging if one is due. A step
 * purges at most pool_quantum bytes, so that no free takes long.
 */
INTERNAL void pool_tick(const void *slot);

/* Counts a free of a thread without a cache. At some of these frees, also runs a tick (reads the clock and purges a
 * little), as pool_tick does for a thread with a cache. */
INTERNAL void pool_tick_shared(const void *slot);

/*
 * Runs one step of purging in an allocation. pool_tick_taking is for a thread with a cache of its own, and is called
 * while cache->state.more is set. pool_tick_taking_shared is for a thread without a cache, and does nothing unless
 * pages were still due to be purged after the thread's last tick (a free that reads the clock and purges).
 */
void pool_tick_taking(struct cache *cache);
void pool_tick_taking_shared(void);

/*
 * Moves public magazines (those that other threads may steal) of idle threads to the depot. Then, if the old generation
 * (slots freed longer ago) is due to be purged at the time `now`, runs one step of purging on the depots and stacks. If
 * that finds nothing in the old generation, makes the generations change places and, while memory is tight, unmaps
 * purged slots. Returns true if more pages are due to be purged.
 */
bool pool_decay_once(struct cache *cache, uint64_t now);

/* Runs one step of purging for the background thread. Returns true if more pages are due to be purged. */
bool pool_decay_step(void);

#endif
