/* Writes the page of `sockmalloc exporter` to a file, for the textfile collector of Prometheus's node exporter. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_FILE_H
#define SOCKMALLOC_EXPORTER_FILE_H

#include <stddef.h>

#include "command/command_rows.h"
#include "command/exporter_owner.h"

/*
 * Opens the directory in which the file sockmalloc.prom shall be. Takes a lock on the directory, which ends with this
 * process, so that two exporters do not replace each other's file. Otherwise prints an error and returns its exit code.
 */
enum command_exit exporter_file_open(const char *directory);

/*
 * Writes the file. It is written beside the old one and replaces that by rename, so that a reader sees a whole page.
 * Otherwise prints an error and returns its exit code; the old file is then removed, because its figures are no longer
 * true.
 */
enum command_exit exporter_file_write(const char *page, size_t size, const struct exporter_owner *owner);

/* Removes the file, if exporter_file_open has taken the lock. */
void exporter_file_remove(void);

#endif
