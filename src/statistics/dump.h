/* Writes statistics to a descriptor, to stderr, or to a file that no other user can have put there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DUMP_H
#define SOCKMALLOC_DUMP_H

#include <stdbool.h>

#include "base/attributes.h"
#include "config/choices.h"
#include "memory/bucket.h"

/* Stores the plan of the buckets, from which every report takes its labels. The library calls it at start-up. */
INTERNAL void dump_open(const struct bucket_plan *plan);

/*
 * dump_to writes a report to `descriptor` in the format of SOCKMALLOC_FORMAT, and dump_as in the format `format`. A
 * report as text includes the list of blocks in use. The functions return false if the descriptor has not accepted all
 * of it, or if another thread was writing a report: reports share one buffer, so that the second one is dropped. Both
 * functions are safe in a signal handler and keep errno.
 */
INTERNAL bool dump_to(int descriptor);
INTERNAL bool dump_as(int descriptor, enum format format);

/*
 * Writes a report to the file that SOCKMALLOC_STATS names. If that setting is empty, the report goes to stderr if
 * dump_place_prefers_stderr returns true and descriptor 2 is still the file that it was at start-up. Otherwise the
 * report goes to the first file of dump_place_template that can be opened. The report is appended to the file; but a
 * report in the format of Prometheus, which allows each metric once, replaces the file. The path is opened anew for
 * each report, and symbolic links are not followed. If no path can be opened, for example after a chroot or a change of
 * user, the report is dropped. Returns true if the whole report was written. Signal handlers may call this function.
 */
INTERNAL bool dump_somewhere(void);

/*
 * Writes only the list of blocks in use, to the place where dump_somewhere would write. If no list is kept, writes
 * nothing and returns true. Signal handlers may call this function.
 */
INTERNAL bool dump_in_use_somewhere(void);

/* Makes the child of a fork able to write reports, even if another thread of the parent was writing one at the fork. */
INTERNAL void dump_after_fork(void);

#endif
