/* Prints snapshots in the text exposition format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FORMAT_PROMETHEUS_H
#define SOCKMALLOC_FORMAT_PROMETHEUS_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/text.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/*
 * The most bytes of a snapshot's labels: their names and numbers, and a program's name of at most 32 bytes. Each byte
 * of that name may be printed as an escape of five bytes.
 */
enum { PROMETHEUS_LABELS_SIZE = 256 };

/* A snapshot, with the labels that all of its samples get, and with the buckets and a setting of its process. */
struct prometheus_subject {
    const struct snapshot *snapshot;
    const struct bucket_plan *plan;
    const char *labels; /* such as program="nginx",pid="4711" */
    bool samples_small; /* true if the process has SOCKMALLOC_SAMPLE_SMALL=1 */
};

/* Says which series are printed for a snapshot. */
enum prometheus_detail {
    /* fewer than 100 series: slots in use, requests and memory by bucket, other figures as sums of all buckets */
    PROMETHEUS_SHORT,
    PROMETHEUS_WIDE /* some hundreds of series: each figure by bucket, and the histogram of request sizes */
};

/*
 * Prints all snapshots. The format demands that all samples of a metric stand together, so each metric is printed for
 * all snapshots before the next metric begins. A metric that is printed by bucket has no series with the sum of all
 * buckets, because a query that sums up the metric would count each slot twice. Safe in a signal handler.
 */
INTERNAL void prometheus_print(const struct prometheus_subject *subject, unsigned count, enum prometheus_detail detail,
                               struct text *text);

/*
 * Prints the label of the program. If the snapshot is of one process, prints the label of the process as well:
 * program="nginx",pid="4711". Safe in a signal handler.
 */
INTERNAL void prometheus_print_labels(const struct snapshot *snapshot, struct text *text);

/* Prints a name as the value of a label, without quotes. A backslash is put in front of a quote or a backslash. Each
 * byte that is not printable ASCII is printed as an escape with its number, such as \\x1b. */
INTERNAL void prometheus_print_value(const char *value, struct text *text);

/* Prints the two lines that begin a metric. `type` is "counter", "gauge" or "histogram". */
INTERNAL void prometheus_print_head(const char *name, const char *type, const char *help, struct text *text);

#endif
