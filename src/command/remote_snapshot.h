/*
 * Copies the tables of another process over this process's own tables. snapshot_take always reads the tables of its own
 * process, and so takes its figures from the copies then.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SNAPSHOT_H
#define SOCKMALLOC_REMOTE_SNAPSHOT_H

#include "command/remote_process.h"
#include "command/remote_sizes.h"
#include "memory/bucket.h"
#include "pool/in_use_list.h"
#include "statistics/snapshot.h"

/*
 * The most bytes of tables that are copied from one process. This is four times as much as the metadata of the longest
 * address range that pools can have, and as much as the caches of 16,000 threads. A process with larger tables is
 * refused.
 */
enum { REMOTE_SNAPSHOT_BYTES = 64 << 20 };

/* The buckets of the process that remote_snapshot_take has read last. */
extern struct bucket_plan remote_snapshot_plan;

/*
 * Takes a snapshot of a process. remote_process_find must have found the exported structure of the process. The figures
 * are those that the process itself would print, because the command runs the library's own code on copies of the
 * process's tables. Afterwards `options`, message_process_name and remote_snapshot_plan have the values of the process.
 * Nothing is written to the process, and no code runs in the process. Only one thread may call remote_snapshot_take,
 * and the calling program must not use the library as its own malloc, because the copies overwrite the library's
 * tables.
 *
 * The process may have forged its tables. Every count is compared with the size of its table before the count is used,
 * and at most REMOTE_SNAPSHOT_BYTES are copied. This function does not limit the time, although reading a page of the
 * process may never end. The functions of look.h limit the time.
 */
enum remote_process_state remote_snapshot_take(struct remote_process *target, struct snapshot *snapshot);

/*
 * Makes a list of the slots in use of a process, with the checks and limits of remote_snapshot_take. If in_use_is_kept
 * returns false afterwards, the process keeps no records of callers, and there is no list. Otherwise the caller frees
 * the list with in_use_list_release.
 */
enum remote_process_state remote_snapshot_list(struct remote_process *target, struct in_use_list *list);

/*
 * Counts the slots in use of a process by the size of the request, with the checks and limits of remote_snapshot_take.
 */
enum remote_process_state remote_snapshot_take_sizes(struct remote_process *target, struct remote_sizes *sizes);

/*
 * Limits the number of buckets of a plan to BUCKET_LIMIT, and replaces the labels by labels that are made from the
 * sizes. Afterwards a plan from another process or from a file can be read and printed safely.
 */
void remote_snapshot_mend_plan(struct bucket_plan *plan);

#endif
