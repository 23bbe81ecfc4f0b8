/* Reads which pages of another process are resident. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H
#define SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H

#include <stdbool.h>

/*
 * Opens /proc/PID/pagemap of the process. From then on residency_ask, which says which pages are resident, reads that
 * file. The command has a residency_ask of its own instead of the function in src/memory/residency_source.c. Returns
 * false, with errno set, if the process has ended. Returns true even if this command may read the memory of the process
 * but may not open pagemap, which has mode 0400. residency_ask then says that nothing is known.
 */
bool remote_snapshot_ask_pages_of(int process);

#endif
