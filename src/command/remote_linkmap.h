/* Which of the objects that a process has loaded serves its malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_LINKMAP_H
#define SOCKMALLOC_REMOTE_LINKMAP_H

#include "command/remote_process.h"

enum { REMOTE_LINKMAP_FUNCTION_SIZE = 16 };

/* Texts are the process's: text_add_shown is for printing them. */
struct remote_linkmap {
    bool known;                  /* the dynamic linker's list is there; false of a static program */
    char path[REMOTE_PATH_SIZE]; /* of the object that exports malloc; "" for the program itself */
    bool has_view;               /* it is the library whose view the target has */

    /* An object that calls another allocator by a name of that one's own, as bind9 calls jemalloc's
     * mallocx: the name, who calls, and who serves. "" in `function`: there is none. */
    char function[REMOTE_LINKMAP_FUNCTION_SIZE];
    char caller[REMOTE_PATH_SIZE];
    char server[REMOTE_PATH_SIZE];

    char preload[REMOTE_PATH_SIZE]; /* LD_PRELOAD as the process was started with; "" for none */
};

/*
 * Finds out all of it. The first object in the dynamic linker's order that exports malloc serves
 * it: all calls that are bound by name go there. Read from the process's memory, so that neither a
 * chroot nor a replaced file matters.
 */
void remote_linkmap_find(const struct remote_process *target, struct remote_linkmap *found);

#endif
