/* Lists the processes of this machine from /proc, and finds those that the words of a command line name. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROCESS_LIST_H
#define SOCKMALLOC_PROCESS_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "command/remote_process.h"

/* One process. The strings may hold any byte: print them with text_add_shown. */
struct process_row {
    int process;
    int parent;                  /* process id */
    uint64_t start;              /* as in struct remote_process */
    char name[REMOTE_NAME_SIZE]; /* /proc/PID/comm; "?" if it cannot be read */
};

/* All processes but this command and its children, sorted by process id. */
struct process_list {
    struct process_row *row;
    unsigned count;
};

/* Reads all processes. Returns false if there is no memory, or if /proc cannot be read. The caller frees the list by
 * process_list_free, also after a failure. */
bool process_list_read(struct process_list *list);
void process_list_free(struct process_list *list);

/* Returns the process of that id, or NULL if the list has none. */
const struct process_row *process_list_find(const struct process_list *list, int process);

enum { PROCESS_UNIT_SIZE = 128 };

/*
 * Stores the unit of systemd to which a process belongs, such as "nginx.service", or "" if it belongs to none. A unit
 * is the last part of the path of the process's control group that has the name of a unit. systemd is not needed.
 */
void process_unit(int process, char unit[PROCESS_UNIT_SIZE]);

/* How a word names processes. */
enum process_word_kind {
    PROCESS_WORD_ID,   /* "4711": a process with all its descendants */
    PROCESS_WORD_UNIT, /* "nginx.service": all processes whose control group lies in that of the unit */
    PROCESS_WORD_NAME  /* "nginx": all processes of that name, by /proc/PID/comm or by their executable, with all their
                          descendants */
};

struct process_word {
    enum process_word_kind kind;
    const char *text;
    int process;    /* for PROCESS_WORD_ID */
    uint64_t start; /* start of that process, by which process_list_choose knows it again; 0 if it did not exist */
};

/*
 * Reads a word of the command line. Returns NULL, or a text that says what is wrong. A word of digits is a process id,
 * a word that ends like the name of a unit is a unit, and any other word is a name.
 */
const char *process_word_read(struct process_word *word, const char *text);

/* Returns true if one of the words names the process. Returns true for each process if there are no words. */
bool process_list_names(const struct process_list *list, const struct process_row *row, const struct process_word *word,
                        unsigned words);

#endif
