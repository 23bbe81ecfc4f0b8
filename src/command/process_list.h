/* Lists the processes of this machine from /proc, and finds the processes that are named by the words of a command
 * line. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROCESS_LIST_H
#define SOCKMALLOC_PROCESS_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "command/remote_process.h"

/* One process of the machine. The strings may hold any byte: print them with text_add_shown. */
struct process_row {
    int process;
    int parent; /* process id */
    /* time at which the process started, in clock ticks since the machine was started (/proc/PID/stat) */
    uint64_t start;
    char name[REMOTE_NAME_SIZE]; /* /proc/PID/comm; "?" if it cannot be read */
};

/* The processes of this machine, sorted by process id. This command, its children and the kernel's threads are left
 * out. */
struct process_list {
    struct process_row *row;
    unsigned count;
};

/*
 * Reads the list of all processes. Returns false if there is no memory, or if /proc cannot be read. The caller frees
 * the list with process_list_free, even after a failure.
 */
bool process_list_read(struct process_list *list);
void process_list_free(struct process_list *list);

/* Returns the process with the id `process`, or NULL if the list has no such process. */
const struct process_row *process_list_find(const struct process_list *list, int process);

enum { PROCESS_UNIT_SIZE = 128 };

/*
 * Stores the systemd unit to which a process belongs, such as "nginx.service", or "" if there is none. If several parts
 * of the path of the process's control group are names of units, stores the last of them. systemd itself need not run.
 */
void process_unit(int process, char unit[PROCESS_UNIT_SIZE]);

/* The ways in which a word of the command line names processes. */
enum process_word_kind {
    PROCESS_WORD_ID,   /* "4711": the process with this id, and all its descendants */
    PROCESS_WORD_UNIT, /* "nginx.service": all processes with a control group inside the unit's control group */
    PROCESS_WORD_NAME  /* "nginx": all processes with this name or executable, and their descendants */
};

struct process_word {
    enum process_word_kind kind;
    const char *text;
    int process; /* process id, for PROCESS_WORD_ID */
    /* time at which the process with the id `process` started, in clock ticks since the machine was started; 0 if there
     * is no such process. The time distinguishes the process from a later one that gets the same id. */
    uint64_t start;
};

/*
 * Reads a word of the command line. Returns NULL, or a text that says what is wrong. A word of digits is a process id,
 * a word that ends like the name of a unit is a unit, and any other word is a name.
 */
const char *process_word_read(struct process_word *word, const char *text);

/* Returns true if at least one of the words names the process, or if there are no words. */
bool process_list_names(const struct process_list *list, const struct process_row *row, const struct process_word *word,
                        unsigned words);

#endif
