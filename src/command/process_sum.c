/* Adds up the statistics of several processes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/process_sum.h"

#include <string.h>

#include "base/bounds.h"

/*
 * Returns true if two sets of settings are equal. Settings that are paths are compared by the texts of the paths, which
 * are the bytes of the array `path` before path_end.
 */
static bool process_sum_same_settings(const struct option_set *one, const struct option_set *other)
{
    return memcmp(one->number, other->number, sizeof one->number) == 0 && one->path_end == other->path_end &&
           memcmp(one->path, other->path, LESSER(one->path_end, sizeof one->path)) == 0;
}

void process_sum_begin(struct process_sum *sum, const struct snapshot *snapshot, const struct bucket_plan *plan,
                       const struct option_set *settings)
{
    sum->snapshot = *snapshot;
    sum->plan = *plan;
    sum->options = *settings;
    sum->same_settings = true;
}

static bool process_sum_is_bucket(const struct bucket_plan *one, unsigned bucket, const struct bucket_plan *other,
                                  unsigned of_other)
{
    return one->size[bucket] == other->size[of_other] && one->capacity[bucket] == other->capacity[of_other] &&
           one->stride[bucket] == other->stride[of_other];
}

/*
 * Searches `sum` for a bucket with the slot sizes that `bucket` has in `plan`. Returns the number of this bucket of
 * `sum`, or the number of buckets of `sum` if there is none.
 */
static unsigned process_sum_find(const struct process_sum *sum, const struct bucket_plan *plan, unsigned bucket)
{
    unsigned at = 0;
    while (at < sum->snapshot.buckets && !process_sum_is_bucket(&sum->plan, at, plan, bucket)) {
        at++;
    }
    return at;
}

/*
 * Inserts an empty bucket into `sum`, and moves all larger buckets up by one. The new bucket has the slot sizes that
 * `bucket` has in `plan`. Returns the number of the new bucket.
 */
static unsigned process_sum_insert(struct process_sum *sum, const struct bucket_plan *plan, unsigned bucket)
{
    struct snapshot *snapshot = &sum->snapshot;
    struct bucket_plan *all = &sum->plan;
    unsigned at = snapshot->buckets++;
    for (; at > 0 && all->capacity[at - 1] > plan->capacity[bucket]; at--) {
        snapshot->bucket[at] = snapshot->bucket[at - 1];
        all->size[at] = all->size[at - 1];
        all->capacity[at] = all->capacity[at - 1];
        all->stride[at] = all->stride[at - 1];
        memcpy(all->label[at], all->label[at - 1], sizeof all->label[at]);
    }
    snapshot->bucket[at] = (struct snapshot_figures){0};
    all->size[at] = plan->size[bucket];
    all->capacity[at] = plan->capacity[bucket];
    all->stride[at] = plan->stride[bucket];
    memcpy(all->label[at], plan->label[bucket], sizeof all->label[at]);
    all->count = snapshot->buckets;
    return at;
}

static void process_sum_add_figures(struct snapshot_figures *to, const struct snapshot_figures *figures)
{
#define SUM_FIGURE(name, width, type, unit, help) to->name = snapshot_sum(to->name, figures->name);
    SNAPSHOT_ROWS(SUM_FIGURE)
#undef SUM_FIGURE
}

static bool process_sum_fits(const struct process_sum *sum, const struct snapshot *snapshot,
                             const struct bucket_plan *plan)
{
    unsigned count = sum->snapshot.buckets;
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        count += process_sum_find(sum, plan, bucket) == sum->snapshot.buckets ? 1 : 0;
    }
    return count <= BUCKET_LIMIT;
}

bool process_sum_add(struct process_sum *sum, const struct snapshot *snapshot, const struct bucket_plan *plan,
                     const struct option_set *settings)
{
    struct snapshot *all = &sum->snapshot;
    if (!process_sum_fits(sum, snapshot, plan)) {
        return false;
    }
    if (snapshot->buckets > 0) {
        bool first = all->buckets == 0;
        sum->plan.minimum = first ? plan->minimum : LESSER(sum->plan.minimum, plan->minimum);
        sum->plan.maximum = first ? plan->maximum : GREATER(sum->plan.maximum, plan->maximum);
    }
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        unsigned at = process_sum_find(sum, plan, bucket);
        at = at < all->buckets ? at : process_sum_insert(sum, plan, bucket);
        process_sum_add_figures(&all->bucket[at], &snapshot->bucket[bucket]);
    }
    process_sum_add_figures(&all->total, &snapshot->total);
#define SUM_PROCESS(name, type, unit, help) all->name += snapshot->name;
    SNAPSHOT_PROCESS_ROWS(SUM_PROCESS)
#undef SUM_PROCESS
    all->sizes.sum += snapshot->sizes.sum;
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        all->sizes.count[step] += snapshot->sizes.count[step];
    }
    sum->same_settings =
        sum->same_settings && snapshot->kind == all->kind && process_sum_same_settings(&sum->options, settings);
    return true;
}
