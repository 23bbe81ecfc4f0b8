/* Compares the program's own counts with the pools', under load and at rest. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_JUDGE_H
#define STRESS_JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"
#include "worker.h"

/* All workers of a process, and what the process began with: a child of fork inherits blocks. */
struct judge_case {
    struct worker *workers;
    unsigned count;
    uint64_t live[BUCKET_LIMIT];   /* slots */
    uint64_t weight[BUCKET_LIMIT]; /* bytes asked for in them */
    uint64_t lost[BUCKET_LIMIT];   /* of the slots, those that nobody has a claim to */
    uint64_t carved[BUCKET_LIMIT]; /* slots */
};

/*
 * While they work. Each worker has one call under way at most, and counts it when it is over; a
 * look at the pools takes a while. With `before` and `after` the workers' counts just before and
 * just after the look, and n the number of workers, the pools' figures must lie
 *
 *   requests   from taken before           to taken after + n
 *   returned   from given before - n ticks to given after + n + n ticks
 *   asked      from asked before           to asked after + n largest requests of the bucket
 *   live       from taken before - given after - n    to taken after + n - given before
 *
 * whatever the machine does: how much work a look takes in is counted, not guessed. A tick is what
 * a cache's count of frees can be out by for a moment (cache_arm): too low between its two steps;
 * too high where it sets a shorter interval between the look's readings of its two parts.
 */
void judge_under_load(const struct judge_case *it);

/* While nobody works: all figures to the last one, per bucket; the budget to the byte. `doing` says when that was. */
void judge_at_rest(const struct judge_case *it, const char *doing);

/* At the end, with all other threads gone: the worker takes whatever the regions have, until mimalloc serves it. So no
 * slot was lost, except those that processors hold, where this thread does not run. What it took stays claimed. */
void judge_by_emptying(const struct judge_case *it, struct worker *worker, const char *doing);

#endif
