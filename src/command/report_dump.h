/* Reads statistics in the format JSON for `sockmalloc report`. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_DUMP_H
#define SOCKMALLOC_REPORT_DUMP_H

#include "command/report_source.h"

/*
 * Adds the servers of a file of JSON: one object on each line, as the library, `stat --json` and `record --show --json`
 * print them. Each process has a source of its own, and so has one whose buckets have other sizes than before. Returns
 * EXIT_DONE, or prints an error with the number of the line and returns its exit code. A last line that does not end is
 * left out.
 */
enum command_exit report_dump_add(struct report_sources *sources, FILE *file, const char *path);

#endif
