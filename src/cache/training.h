/* Training: sets the quota of each cache for each bucket, by its use and within the budget. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TRAINING_H
#define SOCKMALLOC_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "memory/decay.h"

/*
 * The rules. They follow WCF's synchronized pool (K. Wolf and others), except that counts are reset here and that no
 * slot is dropped.
 *
 *   promotion  a thread's 64th slow path of a bucket without a quota gives it a first quota there
 *   growth     eight misses, or as many swaps as weigh the same, double the quota if the budget has room
 *   transfer   if the budget has too little room, the bucket of the thread with the most unused bytes loses
 *              half of its quota if it is in use without misses, and all of it if it is idle
 *   decay      a bucket that was not used during 64 slow paths of the thread loses half of its quota;
 *              training_rest lowers quotas by time
 *
 * A quota that a transfer begins is counted as a promotion.
 *
 * A thread that sleeps keeps its quotas; other threads steal its public magazines all the same.
 */
enum { TRAINING_PROMOTION = 64, TRAINING_MISSES = 8, TRAINING_FIRST = 8, TRAINING_DECAY = 64 };

/* The quotas that each cache begins with, in slots of a magazine, and whether training may change them. */
struct training_settings {
    bool frozen;                  /* quotas never change after the first one */
    uint32_t first[BUCKET_LIMIT]; /* 0: a bucket gets its first quota by promotion */
};

/* Sets the settings. The library calls it at start-up. */
void training_open(const struct training_settings *settings);

/*
 * Returns true if the cache has a quota for the bucket. If the cache has none, the caller's slow path is counted, and
 * after enough slow paths the cache gets a quota. In this function and those below, the cache is the calling thread's
 * own.
 */
bool training_admits(struct cache *cache, unsigned bucket);

/* Called after each slow path of a bucket with a quota. Raises the quota after enough misses, and lowers quotas of
 * unused buckets after enough slow paths. */
void training_learn(struct cache *cache, unsigned bucket);

/*
 * Called at each tick; `now` is clock_now. Notes how full the private magazines are. After each half of
 * SOCKMALLOC_DECAY_MS it lowers quotas by what was not needed in that time: an idle bucket's by half, and that of a
 * bucket without swaps and misses by half of the slots that were never taken or by a quarter, whichever is more.
 */
void training_rest(struct cache *cache, uint64_t now);

/* Stores for each bucket the quota that training last set in any thread, or else the first quota. A profile keeps
 * these. Returns false if training has never set one, which is always so if quotas are frozen. Signal-safe. */
bool training_result(uint32_t quota[BUCKET_LIMIT]);

/*
 * Reads the profile at `path` into the first quotas of the buckets that it names. Nothing is read if the path is empty.
 * The text of the path must stay in place. If the profile cannot be read, a message says so once, and the profile is
 * ignored. The library calls it at start-up.
 */
void training_recall(const char *path, const struct bucket_plan *plan, uint32_t first[BUCKET_LIMIT]);

/* Writes the profile, unless no path is set or this process has learnt nothing. So the master of a server, which ends
 * last, does not replace what its workers wrote. Returns false if writing failed. Signal-safe. */
bool training_record(void);

#endif
