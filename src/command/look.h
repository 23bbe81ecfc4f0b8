/* Looks at other processes by a child, which is given up if a look takes too long. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LOOK_H
#define SOCKMALLOC_LOOK_H

#include "command/loaded.h"
#include "command/projection.h"
#include "statistics/snapshot.h"
#include "command/target.h"

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

/* As target_find and target_find_named. */
enum target_state look_find(struct target *target);
enum target_state look_find_named(struct target *target);

/* As projection_take; `options` and projection_plan are the process's here, too. */
enum target_state look_take(struct target *target, struct snapshot *snapshot);

/* As loaded_find. */
enum target_state look_find_loaded(struct target *target, struct loaded *loaded);

#endif
