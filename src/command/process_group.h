/*
 * Reads the statistics of a whole server: of all processes that are named by the words of a command line and have
 * loaded the library. Each process is read by itself, and the figures can be added up.
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

/* A process of a group. */
struct group_member {
    struct remote_process target;
    /*
     * A snapshot of the process is taken only in the state REMOTE_READ. In the state REMOTE_BUFFERS (the process has
     * only libsockmalloc-buffers.so, which has no statistics of a malloc), only look_at_pools and look_at_memory can be
     * called for the process. In any other state, the process is left out.
     */
    enum remote_process_state state;
    bool is_told; /* true after a line on stderr has said why the process is left out */
    /* true if the last process_group_find has found the process; while process_group_find runs, true if it has found
     * the process so far */
    bool is_seen;
    bool is_read; /* true if the last process_group_take has filled in the fields below */
    struct snapshot *snapshot;
    struct bucket_plan plan;
    struct option_set *options;
    uint64_t time;   /* nanoseconds of the monotonic clock at which the snapshot was taken */
    bool has_former; /* true if the process was also read by the process_group_take before the last one */
    uint64_t former_time;
    /* total figures of the snapshot before the last one; that snapshot was taken at former_time */
    struct snapshot_figures former;
    char program[REMOTE_NAME_SIZE]; /* name of the program; snapshot->program points to this array */
};

/*
 * GROUP_WORDS is the most words of a command line. GROUP_LATE is the most processes that may take too long to read.
 * After that many, no further process is tried, because a user could otherwise delay the command without limit by many
 * slow processes.
 */
enum { GROUP_WORDS = 64, GROUP_LATE = 16 };

struct process_group {
    /* words that name processes; if there are none, all processes with the library are meant */
    struct process_word word[GROUP_WORDS];
    unsigned words;
    /*
     * processes with the library, including those that cannot be read; the process whose id the user gave comes first
     */
    struct group_member **member;
    unsigned count;
    unsigned room;
    /* number of processes that are no members, may have loaded the library, and may not be read by this command */
    unsigned forbidden;
    /* number of processes that took too long to read, since the group was made or since the last call of
     * process_group_retry with `late` true */
    unsigned late;
    /* number of processes not tried by the last process_group_find, because `late` was GROUP_LATE */
    unsigned untried;
    bool late_told; /* true after a line on stderr has said that processes were not tried */
    /* the lowest id among the processes that are named by the words of the command line, with or without the library; 0
     * if these words name no process */
    int first;
    bool has_buffers; /* true if processes that have only libsockmalloc-buffers.so are members, too */
    bool is_silent;   /* true if process_group_find prints nothing, except that the processes cannot be listed */
    /* true if the caller itself shows the members that cannot be read; then no lines about these members are printed on
     * stderr */
    bool shows_all;
    bool rights_told; /* true after a line on stderr has said why processes may not be read */
};

/* Adds a word of the command line. Returns NULL, or a text that says what is wrong. */
const char *process_group_add_word(struct process_group *group, const char *text);

/*
 * Finds the processes as they are now. Processes that have started since the last call become members, and processes
 * that have ended are removed. Returns EXIT_DONE if at least one process can be read, or if `shows_all` is true and the
 * group has a member. Otherwise prints an error and returns its exit code. Prints one line on stderr for each process
 * that is left out because its library has another version, its values cannot be true, or reading it took too long;
 * `shows_all` suppresses these lines.
 *
 * If `is_silent` is true, prints nothing, and returns EXIT_WITHOUT if no process can be read. Only if the processes
 * cannot be listed, prints an error even then, and returns EXIT_FORBIDDEN.
 */
enum command_exit process_group_find(struct process_group *group);

/*
 * Takes a snapshot of each member. Returns EXIT_DONE if at least one process could be read, or if `shows_all` is true.
 * Otherwise prints an error and returns its exit code. Leaves out each process that has ended since process_group_find,
 * and prints a line for it unless `shows_all` is true.
 */
enum command_exit process_group_take(struct process_group *group);

/*
 * Adds up the snapshots of process_group_take. If the buckets of a process would make the sum's buckets more than
 * BUCKET_LIMIT, leaves out the process and prints a line for it. Afterwards `options` has the settings of the first
 * process.
 */
void process_group_sum(struct process_group *group, struct process_sum *sum);

/*
 * Adds up the resident memory of the processes that process_group_take has read. Returns false if the memory of any of
 * these processes could not be read.
 */
bool process_group_add_memory(const struct process_group *group, struct remote_memory *sum);

/*
 * Looks again for the library in the members that could not be read, because such a process may have executed another
 * program. Removes those whose processes have ended or no longer have the library. A member that took too long to read,
 * or crashed the child process that read it, may do so again. Such members are left as they are unless `late` is true.
 */
void process_group_retry(struct process_group *group, bool late);

/* Rates of counters, per second, between the last two calls of process_group_take. */
struct group_rates {
    /* false if no member was read by both of the last two calls of process_group_take, as after the first call */
    bool known;
    double requests;
    double fell_through;
};

/*
 * Adds the rates of a member to *rates. Adds nothing for a member that the last two calls of process_group_take have
 * not both read.
 */
void process_group_add_rates(const struct group_member *member, struct group_rates *rates);

/* Returns the number of members that process_group_take has read. */
unsigned process_group_read_count(const struct process_group *group);

#endif
