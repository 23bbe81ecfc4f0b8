/* Another process: its memory, and the library's view in it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TARGET_H
#define SOCKMALLOC_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "command_rows.h"
#include "view.h"

/* What came of a look at a process. */
enum target_state {
    TARGET_READ,
    TARGET_GONE,      /* no such process, or it has ended */
    TARGET_FORBIDDEN, /* the kernel's ptrace rule says no */
    TARGET_WITHOUT,   /* no library in it */
    TARGET_UNBORN,    /* there is one, whose constructor has not run yet */
    TARGET_OTHER,     /* another version of it, or one that was built in another way */
    TARGET_SENSELESS, /* what was read cannot be */
    TARGET_IN_THE_WAY /* its tables lie where this process has something itself */
};

enum { TARGET_NAME_SIZE = 32, TARGET_PATH_SIZE = 512 };

struct target {
    int process;
    char name[TARGET_NAME_SIZE];    /* /proc/PID/comm; "?" where it can't be read */
    char library[TARGET_PATH_SIZE]; /* as the process sees it; " (deleted)" behind a file that is */
    const struct view *address;     /* where the view lies in the process; NULL: not found yet */
    struct view view;               /* as it was last read */
};

/* What /proc/PID/stat says: the state's letter, and the parent's number. False if there is none. */
bool target_status(int process, char *state, int *parent);

/* Begins with a process of which nothing is known but its number. */
void target_open(struct target *target, int process);

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

/* Copies memory of the process. */
enum target_state target_copy(const struct target *target, void *to, const void *from, size_t size);

/* Says in one line on stderr what the state means, and which exit code it is. Not of TARGET_READ.
 */
enum command_exit target_complain(const struct target *target, enum target_state state);

#endif
