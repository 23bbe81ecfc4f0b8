/* Samples frees: for the histogram of request sizes, and for the number of slots that other threads free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_SAMPLE_H
#define SOCKMALLOC_POOL_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"

/*
 * Samples `slot`, which the calling thread has just freed, in a tick of a thread that has its own cache. `moved` says
 * that the coarse clock has gone on since the thread's last tick. Returns true if pool_sample_rest had arranged this
 * tick only to take a sample; the caller then sets the number of frees to the bucket's next regular tick.
 */
bool pool_sample(struct cache *cache, const void *slot, bool moved);

/*
 * Arranges that the next free of each bucket that has unsampled frees is a tick, so that a bucket with few frees is
 * sampled too. Where that was arranged before and no free has come, samples the free slot that was freed last. It is
 * called in a tick in which the clock has gone on, after cache_arm_all has set the number of frees to each bucket's
 * next tick.
 */
void pool_sample_rest(struct cache *cache);

/* Samples `slot`, which a thread without a cache has just freed, as one of `frees` frees since the thread's last tick.
 */
void pool_sample_shared(const void *slot, uint32_t frees);

#endif
