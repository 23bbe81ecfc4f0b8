/* Training: which quota each cache has for each bucket, as its use suggests and the budget allows.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TRAINING_H
#define SOCKMALLOC_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "memory/decay.h"

/*
 * The rules, after the pool of seed 003's sources (K. Wolf and others, WCF's synchronized pool),
 * whose counts of failures however never reset and whose pools dropped what did not fit:
 *
 *   promotion  a thread's 64th use of a bucket gives it a first quota there
 *   growth     eight misses, or as many swaps as weigh the same, double the quota, as far as the
 *              budget has room
 *   transfer   where it has too little, the bucket of the same thread with the most unused bytes
 *              gives: half of its quota where it is in use without misses, all of it where it is
 *              idle. For a first quota, which is counted as a promotion, where it has none
 *   decay      64 slow paths in which a bucket was not used at all halve its quota; so does time
 *
 * A thread that sleeps keeps its quotas; its public magazines are walked by others all the same.
 */
enum { TRAINING_PROMOTION = 64, TRAINING_MISSES = 8, TRAINING_FIRST = 8, TRAINING_DECAY = 64 };

/* Quotas that every cache begins with, in slots a magazine; and whether they ever change. */
struct training_settings {
    bool frozen;
    uint32_t first[BUCKET_LIMIT]; /* 0: by promotion */
};

/* At start. */
void training_open(const struct training_settings *settings);

/*
 * Whether the cache has a quota for the bucket; if it has none, the use that the caller is making
 * counts towards one. For the thread's own cache, as all of these.
 */
bool training_admits(struct cache *cache, unsigned bucket);

/* After each slow path of a bucket with a quota: acts where enough misses or events have come
 * together. */
void training_learn(struct cache *cache, unsigned bucket);

/*
 * At each tick, with clock_now's time: notes how full the thread's magazines are, and each half
 * SOCKMALLOC_DECAY_MS takes from the quotas what was not needed in it: half of an idle bucket's,
 * and of one that neither swapped nor missed half of the slots that were never touched.
 */
void training_rest(struct cache *cache, uint64_t now);

/* The quotas that training last arrived at, bucket by bucket, or else began with: what a profile
 * keeps. False if it has never changed any, as it never does where it is frozen. Signal-safe. */
bool training_result(uint32_t quota[BUCKET_LIMIT]);

/*
 * Reads the profile at `path`, which stays the caller's and in place, into the first quotas of the
 * buckets that it knows; an empty path is none. What can't be read is said once and ignored. At
 * start.
 */
void training_recall(const char *path, const struct bucket_plan *plan, uint32_t first[BUCKET_LIMIT]);

/*
 * Writes the profile anew; nothing where none is wanted, or where this process has learnt nothing:
 * a server's master, which ends last, leaves what its workers wrote. False if it could not.
 * Signal-safe.
 */
bool training_record(void);

#endif
