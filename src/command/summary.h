/* Prints statistics for people, in at most 80 columns: first a verdict, then the buckets and the memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SUMMARY_H
#define SOCKMALLOC_SUMMARY_H

#include <stdbool.h>

#include "base/text.h"
#include "command/remote_memory.h"
#include "command/traffic.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/* The facts that summary_print shows in addition to the statistics. */
struct summary_facts {
    const struct remote_memory *memory; /* memory of all processes together; NULL if it could not be read */
    const struct traffic *traffic;      /* requests of all sizes, from sampling_run; NULL if there was no sampling */
    bool same_settings;                 /* false if the processes have different settings */
};

/*
 * Prints the statistics of a server. The figures have the names that they have in JSON and in the other formats. Leaves
 * out buckets that were never used. The lines about memory add up to `memory->resident`. The settings are read from
 * `options`.
 */
void summary_print(const struct snapshot *snapshot, const struct bucket_plan *plan, const struct summary_facts *facts,
                   struct text *text);

/*
 * Adds the verdict without a line end: the share of the requests that the pools serve, and the memory that the pools
 * hold. `all` is true if the histogram has counted requests below 2048 bytes, too, which it does from the start only
 * with SOCKMALLOC_SAMPLE_SMALL=1. Otherwise only requests within the sizes of the pools count.
 */
void summary_add_verdict(const struct snapshot *snapshot, const struct bucket_plan *plan, bool all, struct text *text);

/*
 * Prints the share of the requests that the pools serve, without a line end. If `all` is true, *traffic has requests of
 * all sizes. Otherwise only requests within the sizes of the pools count.
 */
void summary_print_share(const struct traffic *traffic, bool all, const struct bucket_plan *plan, struct text *text);

/* The first column of a line that summary_print_step prints, and the rates of that line. */
struct summary_step {
    const char *first; /* the text in the first column, of at most nine letters */
    bool has_rates;    /* false at the first reading, for which there are no rates */
    double requests;   /* per second */
    double fell_through;
};

/* Prints the headings of the lines that summary_print_step prints. `first` is the heading of the first column. */
void summary_print_heading(const char *first, struct text *text);

/* Prints one line with the figures of a server and the rates since the reading before. */
void summary_print_step(const struct summary_step *step, const struct snapshot_figures *total,
                        const struct remote_memory *memory, struct text *text);

#endif
