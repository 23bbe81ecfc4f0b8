/* Adds up the statistics of several processes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROCESS_SUM_H
#define SOCKMALLOC_PROCESS_SUM_H

#include <stdbool.h>

#include "config/option.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/* The sum, which is printed like the statistics of one process. */
struct process_sum {
    /*
     * Every figure is the sum of the figures of the processes. For most figures, that is the figure of the server. The
     * sum of `peak` is an upper bound, because each process has its own peak at another time. `kind`, `process` and
     * `program` are those of the first process.
     */
    struct snapshot snapshot;
    struct bucket_plan plan;   /* the buckets of all processes */
    struct option_set options; /* settings of the first process */
    bool same_settings;        /* true if all processes have these settings and this kind of pool */
};

/* Starts the sum with the first process. `settings` are those of that process. */
void process_sum_begin(struct process_sum *sum, const struct snapshot *snapshot, const struct bucket_plan *plan,
                       const struct option_set *settings);

/*
 * Adds a process. Buckets of the same sizes are added up, and other buckets get rows of their own. Returns false and
 * adds nothing if the sum would then have more than BUCKET_LIMIT buckets.
 */
bool process_sum_add(struct process_sum *sum, const struct snapshot *snapshot, const struct bucket_plan *plan,
                     const struct option_set *settings);

#endif
