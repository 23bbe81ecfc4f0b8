/*
 * Training: sets the quota of each cache for each bucket (how many slots a magazine may hold), by how much the bucket
 * is used, and within the budget.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TRAINING_H
#define SOCKMALLOC_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "memory/decay.h"

/*
 * The rules of training follow WCF's synchronized pool (K. Wolf and others), except that misses are counted anew after
 * each change of a quota, and that no slot is dropped.
 *
 *   promotion  a thread's 64th slow path (TRAINING_PROMOTION) of a bucket without a quota gives the thread a first
 *              quota for this bucket: TRAINING_FIRST slots, unless the settings say another number
 *   growth     eight misses (TRAINING_MISSES), or so many exchanges of the two magazines that they weigh as much
 *              (CACHE_SWAP), double the quota if enough of the budget is left
 *   transfer   if too little of the budget is left, another bucket of the same thread loses quota: the one
 *              that has the most bytes of unused quota. It loses as much as is needed, but no more than half of its
 *              quota if it is in use without misses, and no more than all of it if it is idle
 *   decay      a bucket that was not used during 64 slow paths of the thread (TRAINING_DECAY) loses half of its
 *              quota; training_rest lowers quotas by time
 *
 * If a transfer makes the first quota of a bucket possible, it is counted as a promotion.
 *
 * A thread that sleeps keeps its quotas, but other threads may steal its public magazines.
 */
enum { TRAINING_PROMOTION = 64, TRAINING_MISSES = 8, TRAINING_FIRST = 8, TRAINING_DECAY = 64 };

/* The quotas, in slots of a magazine, that a cache gets first, and whether training may change them. */
struct training_settings {
    bool frozen; /* true if training changes a bucket's first quota only when SOCKMALLOC_CACHE is lowered */
    /* the first quota of each bucket; 0 if training sets it after TRAINING_PROMOTION slow paths */
    uint32_t first[BUCKET_LIMIT];
};

/* Stores the settings of training, such as the first quotas. The library calls this function at start-up. */
void training_open(const struct training_settings *settings);

/*
 * Returns true if the cache has a quota for the bucket. If the cache has none, the caller's slow path is counted. The
 * cache gets a quota at the first of these slow paths if the settings have a first quota for the bucket, and otherwise
 * at the one with the number TRAINING_PROMOTION, unless quotas are frozen. In this function and those below, the cache
 * is the calling thread's own.
 */
bool training_admits(struct cache *cache, unsigned bucket);

/*
 * Raises the bucket's quota after enough misses and exchanges of magazines, and lowers quotas of unused buckets after
 * enough slow paths. This function is called after each slow path of a bucket with a quota.
 */
void training_learn(struct cache *cache, unsigned bucket);

/*
 * Stores the smallest number of slots that each private magazine has had at a tick, and lowers quotas that are too
 * high. This function is called at each tick (a free that reads the clock); `now` is what clock_now has returned. Each
 * time that half of SOCKMALLOC_DECAY_MS has passed, the function lowers quotas by the slots that were not needed in
 * that time. An idle bucket loses half of its quota. A bucket that has had no misses, and no swaps of its two
 * magazines, loses half of the slots that were never allocated from its private magazine, or a quarter of its quota,
 * whichever is more. If SOCKMALLOC_CACHE was lowered and the caches may hold more than that, each tick halves all
 * quotas of the cache.
 */
void training_rest(struct cache *cache, uint64_t now);

/*
 * Stores in `quota`, for each bucket, the quota that training last set in any thread, or else the first quota. These
 * quotas are written to a profile. Returns false if training has never set a quota, which is always so if quotas are
 * frozen. Signal handlers may call this function.
 */
bool training_result(uint32_t quota[BUCKET_LIMIT]);

/*
 * Reads the profile at `path`, and stores its quotas as the first quotas of the buckets that it names. Nothing is read
 * if the path is empty. `path` and `plan` must stay valid, because training_record uses them. If there is a file that
 * cannot be read as a profile, a message says so once, and the file is ignored. The library calls this function at
 * start-up.
 */
void training_recall(const char *path, const struct bucket_plan *plan, uint32_t first[BUCKET_LIMIT]);

/*
 * Writes the profile. Does nothing if no path is set or if training has set no quota in this process: the master
 * process of a server, which ends last, then does not replace what its workers wrote. Returns false if writing failed.
 * Signal handlers may call this function.
 */
bool training_record(void);

#endif
