/* Prints the samples of a recording in their order: as a timeline for people, and as CSV. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RECORDING_SERIES_H
#define SOCKMALLOC_RECORDING_SERIES_H

#include "base/text.h"
#include "command/recording.h"

enum { RECORDING_TIME_SIZE = 32 };

/*
 * Writes a time in the format of ISO 8601, such as 2026-11-30T17:28:15.123Z. `nanoseconds` counts from 1970 and may
 * have any value.
 */
void recording_time(uint64_t nanoseconds, char text[RECORDING_TIME_SIZE]);

/*
 * Prints a line of at most 80 columns for a sample: the time of day in UTC, and the figures that `stat --interval`
 * prints. `former` is the sample before this one. If `former` is NULL, the line is the first, and a heading with the
 * date is printed above it.
 */
void recording_print_step(const struct recording_sample *sample, const struct recording_sample *former,
                          struct text *text);

/*
 * Prints a row of CSV for each bucket that was used, and one for all buckets together. The columns have the names of
 * the figures in JSON. The cell of an unknown figure is empty. If `is_first` is true, first prints a row with the names
 * of the columns.
 */
void recording_print_csv(const struct recording_head *head, const struct recording_sample *sample, bool is_first,
                         struct text *text);

#endif
