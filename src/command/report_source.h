/*
 * Holds the samples of one server that `sockmalloc report` has read from a file, reduced to as many points as a chart
 * can show.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_SOURCE_H
#define SOCKMALLOC_REPORT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "command/recording.h"
#include "config/option.h"
#include "memory/bucket.h"

/*
 * REPORT_SOURCES_MAX is the most servers of a report, and REPORT_POINTS the most points of a chart. A longer recording
 * gets one point for each group of neighbouring samples. The point is the sample of the group with the most resident
 * memory, so that no peak is lost. The last sample always becomes a point.
 */
enum { REPORT_POINTS = 1000, REPORT_SOURCES_MAX = 64 };

/*
 * A server in a file. A recording has one server. A JSON file may have several, which differ in their process id or in
 * the sizes of their buckets.
 */
struct report_source {
    const char *path;
    /*
     * true if the end of the file is missing: the end mark of a recording, or the end of the last line of a JSON file
     */
    bool is_cut;
    char program[REMOTE_NAME_SIZE];
    int process;
    struct bucket_plan plan;
    /* value of each setting as option_print prints it; NULL if the file does not have the setting */
    char *settings[OPTION_COUNT];
    uint64_t samples;    /* the number of samples in the file */
    uint64_t group;      /* the number of consecutive samples of the file from which each point was chosen */
    uint64_t first_time; /* time of the first sample in nanoseconds since 1970; 0 if samples have no times */
    unsigned points;
    struct recording_sample *point; /* `number` of a point is the number of its sample in the file, from 0 */
    struct recording_sample last;   /* the last sample of the file */
};

struct report_sources {
    unsigned count;
    struct report_source source[REPORT_SOURCES_MAX];
};

/*
 * Adds a source without samples. Returns NULL if there are too many sources, or no memory. `path` must live as long as
 * the source.
 */
struct report_source *report_source_add(struct report_sources *sources, const char *path);

/* Adds a sample, which gets the next number. */
void report_source_add_sample(struct report_source *source, const struct recording_sample *sample);

/* Makes the last sample a point of the charts, unless it is one already. No sample may be added afterwards. */
void report_source_end(struct report_source *source);

/* Stores the value of a setting that the server runs with. */
void report_source_set(struct report_source *source, enum option option, const char *value);

/*
 * Adds the recording in `file`, which is open at its beginning. Returns EXIT_DONE, or prints an error and returns its
 * exit code. From a recording that was cut, adds all samples that are complete.
 */
enum command_exit report_source_add_recording(struct report_sources *sources, FILE *file, const char *path);

#endif
