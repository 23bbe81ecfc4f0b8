/* Reads other processes in a child process, which is killed if that takes too long. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LOOK_H
#define SOCKMALLOC_LOOK_H

#include "command/remote_in_use.h"
#include "command/remote_linkmap.h"
#include "command/remote_memory.h"
#include "command/remote_pools.h"
#include "command/remote_process.h"
#include "command/remote_snapshot.h"
#include "config/message.h"
#include "config/option.h"
#include "statistics/snapshot.h"

/*
 * The most milliseconds that one request may take. A process can make another process that reads its memory wait for
 * any time, by a page of a file system that it serves itself, and only SIGKILL ends such a read. Therefore a child
 * process makes the reads. The child is killed when the time is over, and the next request gets a new child. A process
 * with 128 GiB of buffers takes a second or two.
 */
enum { LOOK_MILLISECONDS = 5000 };

/*
 * Makes a child process do all further requests, each within the given milliseconds. Before it is called, requests are
 * done by the calling process itself and may take any time. If the command has started the other program itself,
 * it reads that program without such a child, because the kernel may allow only the program's parent to read it.
 */
void look_open(unsigned milliseconds);

/* Returns the process id of the child, or 0 if there is none. It is for tests. */
int look_child(void);

/* These functions do what remote_process_find and remote_process_find_named do, within the time limit of look_open. */
enum remote_process_state look_find(struct remote_process *target);
enum remote_process_state look_find_named(struct remote_process *target);

/* Does what remote_snapshot_take does, within the time limit of look_open. On success `options` and
 * remote_snapshot_plan are those of the process. */
enum remote_process_state look_take(struct remote_process *target, struct snapshot *snapshot);

/* Does what remote_linkmap_find does, within the time limit of look_open. */
enum remote_process_state look_find_loaded(struct remote_process *target, struct remote_linkmap *loaded);

/* Does what remote_memory_read does, within the time limit of look_open. */
enum remote_process_state look_at_memory(struct remote_process *target, struct remote_memory *memory);

/* Does what remote_pools_read does, within the time limit of look_open. */
enum remote_process_state look_at_pools(struct remote_process *target, struct remote_pools *pools);

/* A part of a file. Its last part is the first one that is shorter than LOOK_FILE_SIZE or empty. */
enum { LOOK_FILE_SIZE = 64 << 10 };
struct look_file {
    const char *name; /* below /proc/PID; a string that never changes, because the child has a copy of it */
    size_t offset;
    size_t size;
    char text[LOOK_FILE_SIZE];
};

/*
 * Reads the part of a file of /proc/PID that begins at part->offset, within the time limit of look_open. A process can
 * make a reader of its cmdline or environ wait, because these lie in its memory.
 */
enum remote_process_state look_read_file(struct remote_process *target, const char *name, struct look_file *part);

/* Copies the messages that the library in a process has kept, within the time limit of look_open. The process may have
 * written anything there. */
enum remote_process_state look_at_messages(struct remote_process *target, struct message_kept *messages);

/* Does what remote_in_use_read does, within the time limit of look_open. */
enum remote_process_state look_at_in_use(struct remote_process *target, struct remote_in_use *in_use);

/* Reads the settings in force in a process whose exported structure was found, within the time limit of look_open. */
enum remote_process_state look_at_settings(struct remote_process *target, struct option_set *settings);

/* Does what remote_snapshot_take_sizes does, within the time limit of look_open. */
enum remote_process_state look_at_sizes(struct remote_process *target, struct remote_sizes *sizes);

#endif
