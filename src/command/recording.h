/* Writes and reads a file of samples of one process. Each sample is written whole, and all that is read is checked. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RECORDING_H
#define SOCKMALLOC_RECORDING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "command/command_rows.h"
#include "command/remote_memory.h"
#include "command/remote_process.h"
#include "config/option.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/*
 * The data that all samples of a file have in common. Only a command of the same version and build can read the file.
 */
struct recording_head {
    char magic[INSPECT_MAGIC_SIZE];
    char library[INSPECT_LIBRARY_SIZE];
    struct inspect_export_layout layout;
    uint64_t sample_size;
    int process;
    char program[REMOTE_NAME_SIZE];
    struct bucket_plan plan;
    struct option_set options;
};

/*
 * One sample. The file ends with one whose `time` is 0 and whose `number` is the count of the samples before it. A file
 * without such a last sample was cut.
 */
struct recording_sample {
    uint64_t number;
    uint64_t time; /* nanoseconds since 1970; 0 marks the end */
    struct snapshot snapshot;
    struct remote_memory memory; /* of all processes together; SNAPSHOT_UNKNOWN where it could not be read */
};

/* Fills in the head for samples whose first is this one. The settings in the head are those of `options`. */
void recording_begin(struct recording_head *head, const struct snapshot *snapshot, const struct bucket_plan *plan);

/*
 * Appends `size` bytes to the file. If not all fit, removes those that were written, so that the file ends with a whole
 * sample; then returns false, with errno set.
 */
bool recording_append(int file, const void *bytes, size_t size);

/*
 * Reads the head of a recording and stores the recorded settings in `options`, from which the formats print them.
 * Returns EXIT_DONE, or prints an error and returns its exit code if the file is no recording, of another version, or
 * damaged.
 */
enum command_exit recording_open(FILE *file, const char *path, struct recording_head *head);

enum recording_state { RECORDING_SAMPLE, RECORDING_END, RECORDING_TRUNCATED };

/* Reads the next sample. sample->number is the number of samples read so far, and must be 0 before the first call. */
enum recording_state recording_next(FILE *file, const struct recording_head *head, struct recording_sample *sample);

#endif
