/* Compares the test program's own counts with the pools' counters, while the workers work and while they wait. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_JUDGE_H
#define STRESS_JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"
#include "worker.h"

/* Holds all workers of a process, and how many slots of each bucket there were when the process began. In the child of
 * a fork these numbers are not 0, because the child inherits blocks. */
struct judge_case {
    struct worker *workers;
    unsigned count;
    uint64_t live[BUCKET_LIMIT];   /* live slots */
    uint64_t weight[BUCKET_LIMIT]; /* how many bytes were requested in the inherited live slots */
    uint64_t lost[BUCKET_LIMIT];   /* live slots that no worker owns */
    uint64_t carved[BUCKET_LIMIT]; /* carved slots */
};

/* Compares the counts while the workers work. Each worker has at most one call in progress, and counts the call when it
 * is over. Reading the pools' counters takes a while. Let `before` and `after` be the workers' counts just before and
 * just after the reading: of allocated slots (taken), of freed slots (given), and of requested bytes (asked). Let n be
 * the number of workers. Then at any speed of the machine the pools' counters must lie
 *   requests   from taken before               to taken after + n
 *   returned   from given before - n ticks     to given after + n + n ticks
 *   asked      from asked before               to asked after + n largest requests of the bucket
 *   live       from taken before - given after - n    to taken after + n - given before
 * A tick (TICK) is the largest error that a cache's count of frees can have for a moment. The count is the sum of two
 * parts. The library's function cache_arm sets after how many frees the clock is read next, and for this it changes
 * first one part and then the other. Between these two changes the sum is too low. The sum is too high if cache_arm
 * sets a shorter interval while the two parts are being read. */
void judge_under_load(const struct judge_case *it);

/*
 * Ends the process with a fault unless the workers' own counts are equal to the pools' counters, for each bucket, and
 * the budget's count of the bytes of free memory is right, too. No worker may work during the call. `doing` is printed
 * in the message of a fault, and says at what moment the counts were compared.
 */
void judge_at_rest(const struct judge_case *it, const char *doing);

/*
 * Allocates slots until none is left and mimalloc serves the requests. This shows that no slot was lost. Slots in the
 * magazines of a processor are not checked if this thread does not run on this processor. The allocated slots are not
 * freed, and keep their owners in the table of claims. The program calls this function at the end, when all other
 * threads have gone.
 */
void judge_by_emptying(const struct judge_case *it, struct worker *worker, const char *doing);

#endif
