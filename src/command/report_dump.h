/* Reads statistics in the format JSON for `sockmalloc report` and `sockmalloc advise`. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_DUMP_H
#define SOCKMALLOC_REPORT_DUMP_H

#include "command/report_source.h"

/*
 * Adds to `sources` the processes of which a JSON file has statistics, one source for each process. Each line of the
 * file is one sample: a JSON object as the library, `stat --json` and `record --show --json` print it. The object of a
 * process that has libsockmalloc-buffers.so without the malloc is left out. If the sizes of a process's buckets change
 * within the file, the samples after the change become another source. A last line that is no JSON and has no line end
 * was cut, and is ignored. Returns EXIT_DONE. On failure prints an error with the number of the line, and returns the
 * exit code for this error.
 */
enum command_exit report_dump_add(struct report_sources *sources, FILE *file, const char *path);

#endif
