/* Another process: its memory, and the library's view in it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TARGET_H
#define SOCKMALLOC_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "command/command_rows.h"
#include "statistics/view.h"

/* What came of a look at a process. */
enum target_state {
    TARGET_READ,
    TARGET_GONE,      /* no such process, or it has ended */
    TARGET_FORBIDDEN, /* the kernel's ptrace rule says no */
    TARGET_WITHOUT,   /* no library in it */
    TARGET_UNBORN,    /* there is one, whose constructor has not run yet */
    TARGET_OTHER,     /* another version of it, or one that was built in another way */
    TARGET_SENSELESS, /* what was read cannot be */
    TARGET_TOO_LARGE, /* its tables are larger than what a reader takes on */
    TARGET_LATE,      /* it took longer than a reader waits */
    TARGET_BROKEN,    /* it ended the reader */
    TARGET_UNTRIED,   /* there is no child to look from: see look.h */
    TARGET_IN_THE_WAY /* its tables lie where this process has something itself */
};

enum { TARGET_NAME_SIZE = 32, TARGET_PATH_SIZE = 512 };

/*
 * What a search for the view reads at most: of one mapping, whose beginning holds the view in the
 * library's own case, and of all of them.
 */
enum { TARGET_SCAN_MAPPING = 16 << 20, TARGET_SCAN_TOTAL = 64 << 20 };

/* All texts are as the process, or its files' owner, chose them: text_add_shown is for printing
 * them. */
struct target {
    int process;
    uint64_t start;                 /* when it began, in the kernel's ticks; 0: not known */
    char name[TARGET_NAME_SIZE];    /* /proc/PID/comm; "?" where it can't be read */
    char library[TARGET_PATH_SIZE]; /* as the process sees it; " (deleted)" behind a file that is */
    const struct view *address;     /* where the view lies in the process; NULL: not found yet */
    struct view view;               /* as it was last read */
};

/* What /proc/PID/stat says. */
struct target_status {
    char state;
    int parent;
    uint64_t start; /* when it began, in the kernel's ticks */
};

/* Reads it. False if there is no such process. */
bool target_status(int process, struct target_status *status);

/* Begins with a process of which nothing is known but its number. */
void target_open(struct target *target, int process);

/* Returns true if the number still belongs to the process that it belonged to at target_open. */
bool target_is_same(const struct target *target);

/*
 * Finds the library's view: by its magic, in what files are mapped writable, those first that are
 * called like the library. So it is found where the file was replaced or deleted, and behind a
 * chroot. Price: /proc/PID/maps, and a copy of such mappings as far as the view.
 */
enum target_state target_find(struct target *target);

/* The same, only where a file is called like the library: for who looks at all processes. */
enum target_state target_find_named(struct target *target);

/* Reads the view again, where it was found: a process that has executed another program meanwhile
 * has it no more. */
enum target_state target_renew(struct target *target);

/*
 * A handle on the process that has the number now, for target_queue: no other process ever gets it.
 * -1 where the kernel has none (before Linux 5.3). The caller's to close.
 */
int target_hold(const struct target *target);

/*
 * Queues a signal with a value to the process that the handle holds, or without one to the process
 * of target_open, if that still has its number. False with errno set: ESRCH if it is gone.
 */
bool target_queue(const struct target *target, int handle, int number, int value);

/* Copies memory of the process. */
enum target_state target_copy(const struct target *target, void *to, const void *from, size_t size);

/* Says in one line on stderr what the state means, and which exit code it is. Not of TARGET_READ.
 */
enum command_exit target_complain(const struct target *target, enum target_state state);

#endif
