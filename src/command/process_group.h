/*
 * Reads a whole server: all processes that the words of a command line name and that have loaded the library. Each
 * process is read by itself, and the figures can be added up.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROCESS_GROUP_H
#define SOCKMALLOC_PROCESS_GROUP_H

#include <stdbool.h>

#include "command/process_list.h"
#include "command/process_sum.h"
#include "command/remote_memory.h"
#include "command/remote_process.h"
#include "command/remote_snapshot.h"

/* A process of the group. */
struct group_member {
    struct remote_process target;
    /* If it is not REMOTE_READ, the process is left out from now on. In the state REMOTE_BUFFERS it has no snapshot,
     * and only look_at_pools and look_at_memory can be called for it. */
    enum remote_process_state state;
    bool is_told; /* true after a line on stderr has said why the process is left out */
    bool is_seen; /* used while the processes are listed */
    bool is_read; /* true if the fields below are those of the last process_group_take */
    struct snapshot *snapshot;
    struct bucket_plan plan;
    struct option_set *options;
    uint64_t time;   /* nanoseconds of the monotonic clock at which the snapshot was taken */
    bool has_former; /* true if the process_group_take before the last one has read the process, too */
    uint64_t former_time;
    struct snapshot_figures former; /* total figures of that snapshot */
    char program[REMOTE_NAME_SIZE]; /* snapshot->program points to it */
};

/*
 * GROUP_LATE is the most processes that may take too long to read. Then no further process is tried, because a user
 * could otherwise hold the command for any time by many processes.
 */
enum { GROUP_WORDS = 64, GROUP_LATE = 16 };

struct process_group {
    struct process_word word[GROUP_WORDS]; /* if there are none, all processes with the library are meant */
    unsigned words;
    struct group_member **member; /* members that have the library, and those that are refused, by process id */
    unsigned count;
    unsigned room;
    unsigned forbidden; /* processes that may have loaded the library, but may not be read */
    unsigned late;      /* processes that took too long to read, since the group began */
    unsigned untried;   /* processes that were not tried for that reason in the last call of process_group_find */
    bool late_told;     /* true after a line on stderr has said that processes were not tried */
    int first;          /* the least id of a process that the words name, with or without the library; 0 if none */
    bool has_buffers;   /* true if processes with libsockmalloc-buffers.so alone are members, too */
    bool is_silent;     /* true if nothing is to be printed */
    bool shows_all;     /* true if the caller itself shows which members cannot be read; no line then says so */
    bool rights_told;   /* true after a line on stderr has said why processes may not be read */
};

/* Adds a word of the command line. Returns NULL, or a text that says what is wrong. */
const char *process_group_add_word(struct process_group *group, const char *text);

/*
 * Finds the processes, as they are now: processes that have started since the last call join the group, and those that
 * have ended leave it. Returns EXIT_DONE if at least one can be read; otherwise prints an error and returns its exit
 * code. Prints a line for each process that is left out, once: because the library in it is of another version, or what
 * was read makes no sense or took too long.
 */
enum command_exit process_group_find(struct process_group *group);

/*
 * Takes a snapshot of each process. Returns EXIT_DONE if at least one process could be read; otherwise prints an error
 * and returns its exit code. Prints a line for each process that has ended since process_group_find, which is left out.
 */
enum command_exit process_group_take(struct process_group *group);

/*
 * Adds up the snapshots of process_group_take. Prints a line for a process that is left out because the sum would have
 * too many buckets. `options` are then those of the first process.
 */
void process_group_sum(struct process_group *group, struct process_sum *sum);

/*
 * Adds up the memory of the processes that process_group_take has read. Returns false if that of one of them could not
 * be read.
 */
bool process_group_add_memory(const struct process_group *group, struct remote_memory *sum);

/*
 * Removes the members that could not be read, so that the next process_group_find looks at their processes anew: they
 * may have executed another program since then. Members that took too long are kept, unless `late` is true, because
 * each of them may take long again.
 */
void process_group_retry(struct process_group *group, bool late);

/* The rates of some counters, per second, between the last two calls of process_group_take. */
struct group_rates {
    bool known; /* false if there are none, as after the first call */
    double requests;
    double fell_through;
};

/* Adds the rates of a member to *rates. A member that was not read twice adds nothing. */
void process_group_add_rates(const struct group_member *member, struct group_rates *rates);

/* Returns the number of members that process_group_take has read. */
unsigned process_group_read_count(const struct process_group *group);

#endif
