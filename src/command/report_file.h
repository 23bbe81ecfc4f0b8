/* Opens a file of statistics for `sockmalloc report` and `sockmalloc advise`. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_FILE_H
#define SOCKMALLOC_REPORT_FILE_H

#include "command/report_source.h"

/*
 * Adds to `sources` each server of which a file has statistics. The file is a recording, or has statistics in JSON.
 * Returns EXIT_DONE, or prints an error and returns its exit code.
 */
enum command_exit report_file_add(struct report_sources *sources, const char *path);

#endif
