/* Reads statistics in the format JSON for `sockmalloc report`. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_DUMP_H
#define SOCKMALLOC_REPORT_DUMP_H

#include "command/report_source.h"

/*
 * Adds the servers of a JSON file. Each line of the file is one object, as the library, `stat --json` and `record
 * --show --json` print it. Each process becomes a source, and so does a process whose buckets have other sizes than
 * before. Leaves out a last line without a line end. Returns EXIT_DONE, or prints an error with the number of the line
 * and returns its exit code.
 */
enum command_exit report_dump_add(struct report_sources *sources, FILE *file, const char *path);

#endif
