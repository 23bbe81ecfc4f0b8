/* Compares the program's own counts with the pools' counters, under load and at rest. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_JUDGE_H
#define STRESS_JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"
#include "worker.h"

/* All workers of a process, and the state at its beginning, because a child of fork inherits blocks. */
struct judge_case {
    struct worker *workers;
    unsigned count;
    uint64_t live[BUCKET_LIMIT];   /* live slots */
    uint64_t weight[BUCKET_LIMIT]; /* bytes that were requested in the inherited live slots */
    uint64_t lost[BUCKET_LIMIT];   /* live slots that have no claim */
    uint64_t carved[BUCKET_LIMIT]; /* carved slots */
};

/* Compares the counts while the workers work. Each worker has at most one call in progress, and counts it when it is
 * over, and reading the pools' counters takes a while. Let `before` and `after` be the workers' counts just before
 * and just after the reading, and n the number of workers. Then the pools' counters must lie
 *   requests   from taken before               to taken after + n
 *   returned   from given before - n ticks     to given after + n + n ticks
 *   asked      from asked before               to asked after + n largest requests of the bucket
 *   live       from taken before - given after - n    to taken after + n - given before
 * at any speed of the machine. A tick is the error that the count of frees in a cache can have for a moment
 * (cache_arm): it is too low between the function's two steps, and too high if it sets a shorter interval while its
 * two parts are read. */
void judge_under_load(const struct judge_case *it);

/* Compares all counts exactly, for each bucket, and the budget to the byte, while no worker works. `doing` says when
 * that was, for the message. */
void judge_at_rest(const struct judge_case *it, const char *doing);

/* Called at the end, when all other threads have gone. The worker allocates all slots until mimalloc serves the
 * requests, which shows that no slot was lost, except for those in magazines of processors on which this thread does
 * not run. The slots stay claimed. */
void judge_by_emptying(const struct judge_case *it, struct worker *worker, const char *doing);

#endif
