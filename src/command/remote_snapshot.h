/* Another process's state, copied over this one's own, so that the rooms speak of that process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SNAPSHOT_H
#define SOCKMALLOC_REMOTE_SNAPSHOT_H

#include "command/remote_process.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/*
 * Bytes of tables that are copied from one process at most. So much are four times the metadata of
 * the longest range, or the caches of 16,000 threads; a process that asks for more is refused.
 */
enum { REMOTE_SNAPSHOT_BYTES = 64 << 20 };

/* The buckets of the process that was projected last. */
extern struct bucket_plan remote_snapshot_plan;

/*
 * Takes a snapshot of a process whose view was found: by the same code as in the process itself, so
 * that the figures are the same. Afterwards `options`, message_process_name and remote_snapshot_plan are
 * that process's, until the next projection. The process goes on meanwhile; nothing of it is
 * written, and nothing in it runs. Only for a program whose own malloc is not ours; one thread.
 *
 * The process may have been made to deceive: every count is held to what its table can hold before
 * anything is read by it, and what is copied to REMOTE_SNAPSHOT_BYTES. How long it takes is not bounded
 * here, since a page of the process's may be one that never comes: look.h is for that.
 */
enum remote_process_state remote_snapshot_take(struct remote_process *target, struct snapshot *snapshot);

/* Makes a plan from elsewhere safe to print: its labels are made anew from its sizes. */
void remote_snapshot_mend_plan(struct bucket_plan *plan);

#endif
