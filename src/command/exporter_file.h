/* Writes the page of `sockmalloc exporter` to a file, for the textfile collector of Prometheus's node exporter. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_FILE_H
#define SOCKMALLOC_EXPORTER_FILE_H

#include <stddef.h>

#include "command/command_rows.h"
#include "command/exporter_owner.h"

/*
 * Opens the directory for the file sockmalloc.prom. Takes a lock on the directory, because two exporters would replace
 * each other's file. The lock ends with this process. Returns EXIT_DONE, or prints an error and returns its exit code.
 */
enum command_exit exporter_file_open(const char *directory);

/*
 * Writes the page to a new file in the directory, and renames the new file to sockmalloc.prom, because a reader must
 * see a whole page. Returns EXIT_DONE, or prints an error and returns its exit code. After an error the old file is
 * removed, because its figures are no longer true.
 */
enum command_exit exporter_file_write(const char *page, size_t size, const struct exporter_owner *owner);

/* Removes the file sockmalloc.prom, if exporter_file_open has locked the directory. */
void exporter_file_remove(void);

#endif
