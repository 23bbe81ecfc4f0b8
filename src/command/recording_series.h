/* Prints the samples of a recording one behind the other: as a timeline for people, and as CSV. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RECORDING_SERIES_H
#define SOCKMALLOC_RECORDING_SERIES_H

#include "base/text.h"
#include "command/recording.h"

enum { RECORDING_TIME_SIZE = 32 };

/* Writes a time since 1970 by ISO 8601, as 2026-11-30T17:28:15.123Z. `nanoseconds` may hold any value. */
void recording_time(uint64_t nanoseconds, char text[RECORDING_TIME_SIZE]);

/*
 * Prints a line of at most 80 columns: the time of day in UTC, and what `stat --interval` prints. `former` is the
 * sample before this one, or NULL; then a heading is printed first, which has the date.
 */
void recording_print_step(const struct recording_sample *sample, const struct recording_sample *former,
                          struct text *text);

/*
 * Prints a row for each bucket that was used and one for all, with the names that the figures have in JSON. An unknown
 * figure is empty. `is_first` is true to print the names before.
 */
void recording_print_csv(const struct recording_head *head, const struct recording_sample *sample, bool is_first,
                         struct text *text);

#endif
