/* Reads other processes in a child process, which is killed if a read takes too long. */
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
 * The most milliseconds that one reading of another process may take. Another process can make a reader of its memory
 * wait for ever, because that process can map a file of a file system that it serves itself, and need not deliver the
 * file's pages. Only SIGKILL ends such a read, so a child process makes the reads. The child is killed when the time is
 * over, and a new child does the next reading. Reading a process with 64 GiB of slots, the most that pools can have,
 * takes one or two seconds.
 */
enum { LOOK_MILLISECONDS = 5000 };

/*
 * Makes a child process read other processes from now on. Each reading must end within the given milliseconds. Before
 * look_open is called, the calling process itself reads the other processes, and a reading may take any time. A command
 * that reads a program which it has started itself does not call look_open, because the kernel may allow only the
 * program's parent to read the program.
 */
void look_open(unsigned milliseconds);

/*
 * Returns the process id of the child that reads other processes, or 0 if there is none. Only tests call this function.
 */
int look_child(void);

/*
 * look_find and look_find_named do what remote_process_find and remote_process_find_named do, within the time limit
 * that look_open has set.
 */
enum remote_process_state look_find(struct remote_process *target);
enum remote_process_state look_find_named(struct remote_process *target);

/* Does what remote_snapshot_take does, within the time limit that look_open has set. On success, the global variables
 * `options` and remote_snapshot_plan hold the settings and the buckets of the process. */
enum remote_process_state look_take(struct remote_process *target, struct snapshot *snapshot);

/* Does what remote_linkmap_find does, within the time limit that look_open has set. */
enum remote_process_state look_find_loaded(struct remote_process *target, struct remote_linkmap *loaded);

/* Does what remote_memory_read does, within the time limit that look_open has set. */
enum remote_process_state look_at_memory(struct remote_process *target, struct remote_memory *memory);

/*
 * Does what remote_pools_read does, within the time limit that look_open has set. Changes *pools only if the result is
 * REMOTE_READ.
 */
enum remote_process_state look_at_pools(struct remote_process *target, struct remote_pools *pools);

/*
 * A part of a file in /proc/PID. Only a part of no bytes shows the end of its file, because the kernel gives many of
 * these files out in pieces that are shorter than LOOK_FILE_SIZE.
 */
enum { LOOK_FILE_SIZE = 64 << 10 };
struct look_file {
    /* name of a file in /proc/PID; a string constant, because the child, a fork of this process, has the constant at
     * the same address */
    const char *name;
    size_t offset;
    size_t size;
    char text[LOOK_FILE_SIZE];
};

/*
 * Reads the part of a file in /proc/PID that begins at part->offset, within the time limit that look_open has set. A
 * limit is needed for cmdline and environ too, because these files show memory of the process, and the process can make
 * a reader of its memory wait.
 */
enum remote_process_state look_read_file(struct remote_process *target, const char *name, struct look_file *part);

/*
 * Copies the messages that the library in a process has kept, within the time limit that look_open has set. The copy
 * may hold any bytes, because the process may have overwritten its messages.
 */
enum remote_process_state look_at_messages(struct remote_process *target, struct message_kept *messages);

/* Does what remote_in_use_read does, within the time limit that look_open has set. */
enum remote_process_state look_at_in_use(struct remote_process *target, struct remote_in_use *in_use);

/* Reads the settings that are in force in a process, within the time limit that look_open has set. remote_process_find
 * must have found the exported structure of the process (struct inspect_export), which lists where the settings lie. */
enum remote_process_state look_at_settings(struct remote_process *target, struct option_set *settings);

/* Does what remote_snapshot_take_sizes does, within the time limit that look_open has set. */
enum remote_process_state look_at_sizes(struct remote_process *target, struct remote_sizes *sizes);

#endif
