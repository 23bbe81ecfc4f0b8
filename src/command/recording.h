/*
 * Writes and reads a file with samples of the statistics of one process. A sample is written completely or not at all,
 * and all values that are read are checked.
 */
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
 * The head of a recording: the data that all its samples have in common. Only a command of the same version and build
 * can read the file.
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
 * One sample. A last sample with `time` 0 marks the end of the file, and its `number` is the count of the samples
 * before it. A file without this end was cut.
 */
struct recording_sample {
    uint64_t number;
    uint64_t time; /* nanoseconds since 1970; 0 marks the end */
    struct snapshot snapshot;
    struct remote_memory memory; /* memory of all processes together; SNAPSHOT_UNKNOWN where it could not be read */
};

/* Fills in the head of a recording from its first snapshot, the plan of its buckets, and the settings in `options`. */
void recording_begin(struct recording_head *head, const struct snapshot *snapshot, const struct bucket_plan *plan);

/*
 * Appends `size` bytes to the file. If only a part can be written, removes that part, because the file must end with a
 * complete sample, and returns false with errno set.
 */
bool recording_append(int file, const void *bytes, size_t size);

/*
 * Reads the head of a recording, and stores the recorded settings in `options`, because the functions that print
 * statistics read them there. Returns EXIT_DONE. Prints an error and returns its exit code if the file is no recording,
 * has another version, or is damaged.
 */
enum command_exit recording_open(FILE *file, const char *path, struct recording_head *head);

enum recording_state { RECORDING_SAMPLE, RECORDING_END, RECORDING_TRUNCATED };

/*
 * Reads the next sample. Between calls, sample->number is the number of samples read so far. It must be 0 before the
 * first call.
 */
enum recording_state recording_next(FILE *file, const struct recording_head *head, struct recording_sample *sample);

#endif
