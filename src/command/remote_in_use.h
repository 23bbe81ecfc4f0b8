/*
 * Reads which callers have allocated the slots that are in use in another process. The process keeps records of the
 * callers if it runs with SOCKMALLOC_IN_USE=1.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_IN_USE_H
#define SOCKMALLOC_REMOTE_IN_USE_H

#include <stdbool.h>
#include <stdint.h>

#include "command/remote_process.h"

enum { REMOTE_IN_USE_CALLERS = 200, REMOTE_IN_USE_NAME_SIZE = 256 };

/* A caller of malloc, and the slots that it has allocated and that are in use. */
struct remote_in_use_caller {
    char name[REMOTE_IN_USE_NAME_SIZE]; /* name of the caller, as caller_name_add writes it */
    uint64_t slots;
    uint64_t bytes; /* bytes that were requested for the caller's slots in use */
    uint64_t age;   /* age of the oldest slot in nanoseconds, or IN_USE_UNKNOWN */
};

struct remote_in_use {
    bool is_kept; /* false if the process keeps no records of callers; then all other fields are 0 */
    uint64_t slots;
    uint64_t bytes;
    unsigned callers; /* number of all callers, of which the first `listed` are in the array */
    unsigned listed;
    struct remote_in_use_caller caller[REMOTE_IN_USE_CALLERS]; /* the caller with the oldest slot comes first */
};

/* Fills in `found` from the memory of a process. remote_process_find must have found its exported structure. */
enum remote_process_state remote_in_use_read(struct remote_process *target, struct remote_in_use *found);

#endif
