/* Finds out which of the objects (program and libraries) that a process has loaded serves the calls of malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_LINKMAP_H
#define SOCKMALLOC_REMOTE_LINKMAP_H

#include "command/remote_process.h"

enum { REMOTE_LINKMAP_FUNCTION_SIZE = 16 };

/* The strings come from the process and may hold any byte: print them with text_add_shown. */
struct remote_linkmap {
    /* true if an object in the dynamic linker's list of objects exports malloc; false for a static program, which has
     * no such list */
    bool known;
    char path[REMOTE_PATH_SIZE]; /* path of the object that exports malloc; "" is the program itself */
    bool has_view;               /* true if the object of `path` is the library whose statistics the command reads */

    /*
     * An object that calls another allocator by a function with a name other than malloc, as bind9 calls jemalloc's
     * mallocx. The three fields are the function, the object that calls it, and the object that defines it. `function`
     * is "" if there is no such object.
     */
    char function[REMOTE_LINKMAP_FUNCTION_SIZE];
    char caller[REMOTE_PATH_SIZE];
    char server[REMOTE_PATH_SIZE];

    char preload[REMOTE_PATH_SIZE]; /* LD_PRELOAD at the start of the process; "" if it was not set */
};

/*
 * Fills in `found` from the dynamic linker's list of objects. The first object in the list that exports malloc serves
 * malloc, because the dynamic linker binds all calls of malloc to it. The list is read from the memory of the process,
 * so the result is right even if the process runs in a chroot, or if a library's file was replaced.
 */
void remote_linkmap_find(const struct remote_process *target, struct remote_linkmap *found);

#endif
