/* Writes the report to where it belongs: a descriptor, stderr, or a file that nobody planted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DUMP_H
#define SOCKMALLOC_DUMP_H

#include <stdbool.h>

#include "base/attributes.h"
#include "config/choices.h"
#include "memory/bucket.h"

/* At start: remembers the plan, whose labels every report needs. */
INTERNAL void dump_open(const struct bucket_plan *plan);

/*
 * Writes a report to `descriptor`, in the format that SOCKMALLOC_FORMAT says, or in another; what
 * is in use is a part of the text alone. False if it took less than all, or if another thread is at
 * it: reports share one buffer, and one that is asked for during another is dropped. Signal-safe;
 * errno is kept.
 */
INTERNAL bool dump_to(int descriptor);
INTERNAL bool dump_as(int descriptor, enum format format);

/*
 * Writes a report to SOCKMALLOC_STATS if it is set, else to stderr while that is the file that it
 * was at start, else to /tmp/sockmalloc.PID. A file is appended to, but for one in the format of
 * Prometheus, which takes a metric once: that is written beside it and takes its place. The path is
 * opened anew each time and no link is followed; that it can't be opened, after a chroot or as
 * another user, is ordinary, and the report is dropped. Signal-safe.
 */
INTERNAL bool dump_somewhere(void);

/*
 * The same with the list of what is in use alone, which is a part of every report where one is
 * kept; where none is, nothing is written. Signal-safe.
 */
INTERNAL bool dump_in_use_somewhere(void);

/*
 * In the child of a fork: the thread that was writing a report is not there to finish it.
 */
INTERNAL void dump_after_fork(void);

#endif
