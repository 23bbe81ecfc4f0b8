/* Reads which pages of another process are resident. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H
#define SOCKMALLOC_REMOTE_SNAPSHOT_PAGES_H

#include <stdbool.h>

/*
 * The command has a residency_ask of its own, in the place of the one in src/memory/residency_source.c. It
 * reads /proc/PID/pagemap of the process that remote_snapshot_ask_pages_of named last. Returns false, with
 * errno set, if that file cannot be opened.
 */
bool remote_snapshot_ask_pages_of(int process);

#endif
