/* Another process: its memory, and the library's view in it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_PROCESS_H
#define SOCKMALLOC_REMOTE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "command/command_rows.h"
#include "statistics/inspect_export.h"

/* What came of a look at a process. */
enum remote_process_state {
    REMOTE_READ,
    REMOTE_GONE,          /* no such process, or it has ended */
    REMOTE_FORBIDDEN,     /* the kernel's ptrace rule says no */
    REMOTE_WITHOUT,       /* no library in it */
    REMOTE_UNINITIALISED, /* there is one, whose constructor has not run yet */
    REMOTE_OTHER,         /* another version of it, or one that was built in another way */
    REMOTE_SENSELESS,     /* what was read cannot be */
    REMOTE_TOO_LARGE,     /* its tables are larger than what a reader takes on */
    REMOTE_LATE,          /* it took longer than a reader waits */
    REMOTE_BROKEN,        /* it ended the reader */
    REMOTE_UNTRIED,       /* there is no child to look from: see look.h */
    REMOTE_IN_THE_WAY     /* its tables lie where this process has something itself */
};

enum { REMOTE_NAME_SIZE = 32, REMOTE_PATH_SIZE = 512 };

/*
 * What a search for the view reads at most: of one mapping, whose beginning holds the view in the
 * library's own case, and of all of them.
 */
enum { REMOTE_SCAN_MAPPING = 16 << 20, REMOTE_SCAN_TOTAL = 64 << 20 };

/* All texts are as the process, or its files' owner, chose them: text_add_shown is for printing
 * them. */
struct remote_process {
    int process;
    uint64_t start;                       /* when it began, in the kernel's ticks; 0: not known */
    char name[REMOTE_NAME_SIZE];          /* /proc/PID/comm; "?" where it can't be read */
    char library[REMOTE_PATH_SIZE];       /* as the process sees it; " (deleted)" behind a file that is */
    const struct inspect_export *address; /* where the view lies in the process; NULL: not found yet */
    struct inspect_export view;           /* as it was last read */
};

/* What /proc/PID/stat says. */
struct remote_process_status {
    char state;
    int parent;
    uint64_t start; /* when it began, in the kernel's ticks */
};

/* Reads it. False if there is no such process. */
bool remote_process_status(int process, struct remote_process_status *status);

/* Begins with a process of which nothing is known but its number. */
void remote_process_open(struct remote_process *target, int process);

/* Returns true if the number still belongs to the process that it belonged to at remote_process_open. */
bool remote_process_is_same(const struct remote_process *target);

/*
 * Finds the library's view: by its magic, in what files are mapped writable, those first that are
 * called like the library. So it is found where the file was replaced or deleted, and behind a
 * chroot. Price: /proc/PID/maps, and a copy of such mappings as far as the view.
 */
enum remote_process_state remote_process_find(struct remote_process *target);

/* The same, only where a file is called like the library: for who looks at all processes. */
enum remote_process_state remote_process_find_named(struct remote_process *target);

/* Reads the view again, where it was found: a process that has executed another program meanwhile
 * has it no more. */
enum remote_process_state remote_process_renew(struct remote_process *target);

/*
 * A handle on the process that has the number now, for remote_process_queue: no other process ever gets it.
 * -1 where the kernel has none (before Linux 5.3). The caller's to close.
 */
int remote_process_hold(const struct remote_process *target);

/*
 * Queues a signal with a value to the process that the handle holds, or without one to the process
 * of remote_process_open, if that still has its number. False with errno set: ESRCH if it is gone.
 */
bool remote_process_queue(const struct remote_process *target, int handle, int number, int value);

/* Copies memory of the process. */
enum remote_process_state remote_process_copy(const struct remote_process *target, void *to, const void *from,
                                              size_t size);

/* Says in one line on stderr what the state means, and which exit code it is. Not of REMOTE_READ.
 */
enum command_exit remote_process_report(const struct remote_process *target, enum remote_process_state state);

#endif
