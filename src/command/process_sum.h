/* Adds up the statistics of several processes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROCESS_SUM_H
#define SOCKMALLOC_PROCESS_SUM_H

#include <stdbool.h>

#include "config/option.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/* The sum of the statistics of several processes, which is printed like the statistics of one process. */
struct process_sum {
    /*
     * Each figure is the sum of the figures of the processes. For most figures, the sum is the figure of the whole
     * server. The sum of `peak` is an upper bound, because the processes reach their peaks at different times. `kind`,
     * `process` and `program` come from the first process.
     */
    struct snapshot snapshot;
    struct bucket_plan plan;   /* the buckets that at least one process has */
    struct option_set options; /* settings of the first process */
    bool same_settings;        /* true if all processes have the settings and the kind of pool of the first process */
};

/* Sets the sum to the statistics of the first process. `settings` are the settings of that process. */
void process_sum_begin(struct process_sum *sum, const struct snapshot *snapshot, const struct bucket_plan *plan,
                       const struct option_set *settings);

/*
 * Adds a process to the sum. Adds up buckets with equal slot sizes, and inserts a new bucket for sizes that the sum
 * does not have. Returns false and adds nothing if the sum would then have more than BUCKET_LIMIT buckets.
 */
bool process_sum_add(struct process_sum *sum, const struct snapshot *snapshot, const struct bucket_plan *plan,
                     const struct option_set *settings);

#endif
