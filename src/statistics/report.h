/* The statistics as a table that a person reads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_H
#define SOCKMALLOC_REPORT_H

#include "base/attributes.h"
#include "base/text.h"
#include "statistics/snapshot.h"

/* Bytes that a report takes at most. */
enum { REPORT_SIZE = 24576 };

/* Writes the report but for its last line. `plan` names the buckets. Signal-safe. */
INTERNAL void report_print(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text);

/* Of the bytes asked for in requests of the pools' sizes, the part that the pools served: a line.
 * Signal-safe. */
INTERNAL void report_print_share(const struct snapshot_figures *total, const struct bucket_plan *plan,
                                 struct text *text);

/* Its last line, which tells who reads several of them where this one ends. Signal-safe. */
INTERNAL void report_print_end(const struct snapshot *snapshot, struct text *text);

#endif
