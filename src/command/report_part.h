/* The parts that the page of `sockmalloc report` has for each server: charts and tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_PART_H
#define SOCKMALLOC_REPORT_PART_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "command/report_source.h"

enum { REPORT_WORDS_SIZE = 1024, REPORT_ID_SIZE = 48 };

/*
 * The server that is being written, and its number on the page. The ids of its headings contain the number, because ids
 * must differ between servers.
 */
struct report_part {
    const struct report_source *source;
    unsigned number;
    bool is_alone; /* true if the page shows no other server */
    FILE *file;
};

/*
 * The charts and tables that the page has for each server. Each row has a word and a heading. The id of the heading
 * ends in the word, and so does the name of the function that writes the chart or table.
 */
#define REPORT_PART_ROWS(ROW)                                                                                          \
    ROW(buckets, "Bytes by bucket over time")                                                                          \
    ROW(sizes, "Requests by size")                                                                                     \
    ROW(residency, "Residency against live slots")                                                                     \
    ROW(rss, "Resident memory explained")                                                                              \
    ROW(hits, "Hit ratio")                                                                                             \
    ROW(table, "Buckets at the end")                                                                                   \
    ROW(settings, "Configuration")                                                                                     \
    ROW(advice, "Advice")

/* Each of these functions writes one part of the page (charts or tables), without its heading. `id` is the id of the
 * heading. */
#define REPORT_PART_FUNCTION(name, heading) void report_part_##name(const struct report_part *part, const char *id);
REPORT_PART_ROWS(REPORT_PART_FUNCTION)
#undef REPORT_PART_FUNCTION

/* Stores in `id` the id of a heading of the server. The heading is the one whose id ends in `name`. */
void report_part_id(const struct report_part *part, const char *name, char id[REPORT_ID_SIZE]);

/* Writes a time in UTC, such as "2026-11-30 16:15:51.123". Leaves out the date if `has_date` is false. */
void report_part_say_time(uint64_t nanoseconds, bool has_date, char words[REPORT_WORDS_SIZE]);

/* Returns true if the histogram has counted requests below 2048 bytes, too (SOCKMALLOC_SAMPLE_SMALL=1). */
bool report_part_counts_small(const struct report_source *source);

#endif
