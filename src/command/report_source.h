/* Holds what `sockmalloc report` reads of a file: the samples of one server, thinned to as many as a chart can show. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_SOURCE_H
#define SOCKMALLOC_REPORT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "command/recording.h"
#include "config/option.h"
#include "memory/bucket.h"

/*
 * REPORT_POINTS is the most points of a chart. A longer recording gets one point for each group of neighbouring
 * samples: that of the group that has the most resident memory, so that no peak is lost. The last sample is a point in
 * any case.
 */
enum { REPORT_POINTS = 1000, REPORT_SOURCES_MAX = 64 };

/* A server in a file. A recording has one. A file of JSON may have several, which differ by their process id. */
struct report_source {
    const char *path;
    bool is_cut; /* true if the end of the file is missing */
    char program[REMOTE_NAME_SIZE];
    int process;
    struct bucket_plan plan;
    char *settings[OPTION_COUNT]; /* values as option_print prints them; NULL if the file does not have the setting */
    uint64_t samples;             /* the number of samples in the file */
    uint64_t group;               /* the number of samples for each point */
    uint64_t first_time;          /* nanoseconds since 1970, of the first sample; 0 if samples have no times */
    unsigned points;
    struct recording_sample *point; /* `number` is that of the sample within the file, from 0 */
    struct recording_sample last;   /* the last sample of the file */
};

struct report_sources {
    unsigned count;
    struct report_source source[REPORT_SOURCES_MAX];
};

/*
 * Adds an empty source of this process. Returns NULL if there are too many sources, or no memory. `path` must live as
 * long as the source.
 */
struct report_source *report_source_add(struct report_sources *sources, const char *path);

/* Adds a sample, which gets the next number. */
void report_source_add_sample(struct report_source *source, const struct recording_sample *sample);

/* Makes the last sample a point, if it is none. No sample is added afterwards. */
void report_source_end(struct report_source *source);

/* Stores the value of a setting. */
void report_source_set(struct report_source *source, enum option option, const char *value);

/*
 * Adds the recording that is open at its beginning in `file`. Returns EXIT_DONE, or prints an error and returns its
 * exit code. A recording without its end is added as far as its samples are whole.
 */
enum command_exit report_source_add_recording(struct report_sources *sources, FILE *file, const char *path);

#endif
