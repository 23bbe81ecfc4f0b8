/* Which of the objects that a process has loaded serves its malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LOADED_H
#define SOCKMALLOC_LOADED_H

#include "target.h"

/* An object that exports malloc. */
struct loaded {
    char path[TARGET_PATH_SIZE]; /* as the process sees it; "" for the program itself */
    bool has_view;               /* it is the library whose view the target has */
};

/*
 * The first in the dynamic linker's order: all calls that are bound by name go there. Read from the
 * process's memory, so that neither a chroot nor a replaced file matters. False: no dynamic
 * linker's list is there, as in a static program.
 */
bool loaded_find_malloc(const struct target *target, struct loaded *found);

#endif
