/* Prints statistics for a person, in at most 80 columns: a verdict first, then the buckets and the memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SUMMARY_H
#define SOCKMALLOC_SUMMARY_H

#include <stdbool.h>

#include "base/text.h"
#include "command/remote_memory.h"
#include "command/traffic.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/* What summary_print shows beside the statistics. */
struct summary_facts {
    const struct remote_memory *memory; /* of all processes together; NULL if it could not be read */
    const struct traffic *traffic;      /* of all sizes, by sampling_run; NULL if there was no sampling */
    bool same_settings;                 /* false if the processes have different settings */
};

/*
 * Prints the statistics of a server. Figures have the names that they have in the other formats. Buckets that were
 * never used are left out. The lines of the memory add up to `memory->resident`. The settings are those of `options`.
 */
void summary_print(const struct snapshot *snapshot, const struct bucket_plan *plan, const struct summary_facts *facts,
                   struct text *text);

/*
 * Adds the verdict, without the end of a line: how much of the traffic the pools serve, and how much memory they hold.
 * `all` is true if requests that are smaller than the smallest bucket were counted in the histogram, which they are
 * with SOCKMALLOC_SAMPLE_SMALL=1 alone. Otherwise the share is one of the requests in the range of the pools.
 */
void summary_add_verdict(const struct snapshot *snapshot, const struct bucket_plan *plan, bool all, struct text *text);

/*
 * Prints how much of the traffic the pools serve, without a line end. `traffic` has requests of all sizes if `all`;
 * otherwise the share is one of the requests of the pools' sizes.
 */
void summary_print_share(const struct traffic *traffic, bool all, const struct bucket_plan *plan, struct text *text);

/* What happened between two readings. */
struct summary_step {
    const char *first; /* what the first column shows, in at most nine letters */
    bool has_rates;    /* false at the first reading, for which there are no rates */
    double requests;   /* per second */
    double fell_through;
};

/* Prints the headings of the lines that summary_print_step prints. `first` is the heading of the first column. */
void summary_print_heading(const char *first, struct text *text);

/* Prints one line with the state of a server and the rates since the last reading. */
void summary_print_step(const struct summary_step *step, const struct snapshot_figures *total,
                        const struct remote_memory *memory, struct text *text);

#endif
