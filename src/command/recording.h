/* A file of samples of one process: written whole, sample by sample, and read with suspicion. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RECORDING_H
#define SOCKMALLOC_RECORDING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "command/command_rows.h"
#include "command/remote_process.h"
#include "config/option.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/* What all samples have in common. Good for the version that wrote it, as a view is. */
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

/* One sample; the last one's `time` is 0, and its `number` the count of those before: without it a
 * recording is cut short. */
struct recording_sample {
    uint64_t number;
    uint64_t time; /* nanoseconds since 1970 */
    struct snapshot snapshot;
};

/* The head for a process that has just been projected. */
void recording_begin(struct recording_head *head, const struct snapshot *snapshot);

/*
 * Appends `size` bytes, or none: what does not fit is taken back, so that the file ends with a
 * whole sample. False, with errno set.
 */
bool recording_append(int file, const void *bytes, size_t size);

/*
 * Reads the head of a recording, and puts its settings in place of our own, for who prints. What is
 * no recording, of another version or senseless is said: then the exit code is another than
 * EXIT_DONE.
 */
enum command_exit recording_open(FILE *file, const char *path, struct recording_head *head);

enum recording_state { RECORDING_SAMPLE, RECORDING_END, RECORDING_TRUNCATED };

/* Reads the next sample; `number` is how many have been read, and must be 0 at first. */
enum recording_state recording_next(FILE *file, const struct recording_head *head, struct recording_sample *sample);

#endif
