/*
 * Writes and reads a recording: a file with samples of the statistics of a server. A sample that cannot be written
 * completely is cut off again, except in a pipe. Counts and settings that are read are checked.
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
 * One sample. The file ends with a sample whose `time` is 0 and whose `number` is the count of the samples before it.
 * If a file has no such sample, its end is missing.
 */
struct recording_sample {
    uint64_t number;
    uint64_t time; /* nanoseconds since 1970; 0 marks the end */
    struct snapshot snapshot;
    /* memory of all processes of the server together; a figure that could not be read is SNAPSHOT_UNKNOWN */
    struct remote_memory memory;
};

/* Fills in the head of a recording from its first snapshot, the plan of its buckets, and the settings in `options`. */
void recording_begin(struct recording_head *head, const struct snapshot *snapshot, const struct bucket_plan *plan);

/*
 * Appends `size` bytes to the file. If not all bytes can be written, returns false with errno set, and removes the
 * bytes that were written, because the file must end with a complete sample. In a pipe, the bytes stay.
 */
bool recording_append(int file, const void *bytes, size_t size);

/*
 * Reads the head of a recording, and stores the recorded settings in `options`, because the functions that print
 * statistics read the settings there. Returns EXIT_DONE. Prints an error and returns its exit code if the file is no
 * recording, has another version, or is damaged.
 */
enum command_exit recording_open(FILE *file, const char *path, struct recording_head *head);

enum recording_state { RECORDING_SAMPLE, RECORDING_END, RECORDING_TRUNCATED };

/*
 * Reads the next sample into *sample. sample->number is the number of samples read so far: the caller sets it to 0
 * before the first call and does not change it afterwards.
 */
enum recording_state recording_next(FILE *file, const struct recording_head *head, struct recording_sample *sample);

#endif
