/* Samples frees, to fill the histogram of request sizes and to estimate how many slots are freed by another thread than
 * the one that allocated them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_SAMPLE_H
#define SOCKMALLOC_POOL_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"

/*
 * Samples `slot`, which the thread has just freed, if `moved` is true, if pool_sample_rest has arranged this tick, or
 * if the thread has freed 240 slots of the bucket or more since its last sample. A thread that has its own cache calls
 * this function in a tick (a free that reads the clock). `moved` is true if the coarse clock has advanced since the
 * thread's last tick. Returns true if pool_sample_rest has arranged this tick only to take a sample; the caller then
 * sets how many frees remain until the bucket's next regular tick.
 */
bool pool_sample(struct cache *cache, const void *slot, bool moved);

/*
 * For each bucket with frees that are not sampled yet, makes the next free of the bucket a tick (a free that reads the
 * clock), so that a bucket with few frees is sampled too. If an earlier call has done this and no free has come since,
 * samples the slot that was freed last. The function is called in a tick at which the clock has advanced, after
 * cache_arm_all has set how many frees remain until each bucket's next tick.
 */
void pool_sample_rest(struct cache *cache);

/* For a thread without a cache, which has just freed `slot` and has made `frees` frees since its last tick (a free that
 * reads the clock). Adds these frees to those that no sample stands for yet. If there are at least 240 of them, samples
 * `slot`, and the sample stands for all of them. */
void pool_sample_shared(const void *slot, uint32_t frees);

#endif
