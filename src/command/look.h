/* Looks at other processes by a child, which is given up if a look takes too long. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LOOK_H
#define SOCKMALLOC_LOOK_H

#include "command/remote_linkmap.h"
#include "command/remote_process.h"
#include "command/remote_snapshot.h"
#include "statistics/snapshot.h"

/*
 * What a look takes at most, in milliseconds. A process can make any read of its memory wait for as
 * long as it likes, by a page of a file system that it serves itself; and no signal but SIGKILL
 * ends such a read. So the reads are a child's, which is killed then, and the next look gets
 * another. A process with 128 GiB of buffers takes a second or two.
 */
enum { LOOK_MILLISECONDS = 5000 };

/*
 * From here on looks are the child's, each of so many milliseconds at most. Without it they are
 * made by the calling process itself, which waits without end: that is for a program that was
 * started to be looked at, since the kernel may let only its parent read it.
 */
void look_open(unsigned milliseconds);

/* The child that looks; 0: there is none now. */
int look_child(void);

/* As remote_process_find and remote_process_find_named. */
enum remote_process_state look_find(struct remote_process *target);
enum remote_process_state look_find_named(struct remote_process *target);

/* As remote_snapshot_take; `options` and remote_snapshot_plan are the process's here, too. */
enum remote_process_state look_take(struct remote_process *target, struct snapshot *snapshot);

/* As remote_linkmap_find. */
enum remote_process_state look_find_loaded(struct remote_process *target, struct remote_linkmap *loaded);

#endif
