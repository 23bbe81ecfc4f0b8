/* Reads statistics in the format JSON for `sockmalloc report`. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_DUMP_H
#define SOCKMALLOC_REPORT_DUMP_H

#include "command/report_source.h"

/*
 * Adds the servers of a JSON file. Each line of the file is one object, as the library, `stat --json` and `record
 * --show --json` print it. Each process becomes a source. If the sizes of a process's buckets change within the file,
 * its later samples become another source. A last line without a line end is ignored. Returns EXIT_DONE, or prints an
 * error with the number of the line and returns its exit code.
 */
enum command_exit report_dump_add(struct report_sources *sources, FILE *file, const char *path);

#endif
