/* Reads which pages of another process are resident. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H
#define SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H

#include <stdbool.h>

/*
 * Opens /proc/PID/pagemap of the process. Afterwards residency_ask, the function that finds out which pages are
 * resident, reads that file. The command is linked with this residency_ask instead of the one in
 * src/memory/residency_source.c. Returns false, with errno set, if the process has ended. If the process exists but
 * pagemap, whose mode is 0400, may not be opened, returns true. residency_ask then reports that nothing is known.
 */
bool remote_snapshot_ask_pages_of(int process);

#endif
