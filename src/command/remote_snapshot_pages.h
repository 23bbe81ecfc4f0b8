/* Reads which pages of another process are resident. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H
#define SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H

#include <stdbool.h>

/*
 * Opens /proc/PID/pagemap of the process. From then on residency_ask, which says which pages are resident, reads that
 * file. The command has its own residency_ask for this, in the place of the one in src/memory/residency_source.c.
 * Returns false, with errno set, if the process has ended. If this command may read the memory of the process but may
 * not open that file, which has mode 0400, it returns true, and residency_ask says that nothing is known.
 */
bool remote_snapshot_ask_pages_of(int process);

#endif
