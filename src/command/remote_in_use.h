/* Reads which callers hold slots of another process, by the records that SOCKMALLOC_IN_USE=1 makes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_IN_USE_H
#define SOCKMALLOC_REMOTE_IN_USE_H

#include <stdbool.h>
#include <stdint.h>

#include "command/remote_process.h"

enum { REMOTE_IN_USE_CALLERS = 200, REMOTE_IN_USE_NAME_SIZE = 256 };

/* A caller, and all slots that it holds. */
struct remote_in_use_caller {
    char name[REMOTE_IN_USE_NAME_SIZE]; /* as caller_name_add writes it */
    uint64_t slots;
    uint64_t bytes; /* requested in these slots */
    uint64_t age;   /* of the oldest slot in nanoseconds, or IN_USE_UNKNOWN */
};

struct remote_in_use {
    bool is_kept; /* false if the process makes no records; then all else is 0 */
    uint64_t slots;
    uint64_t bytes;
    unsigned callers; /* all callers; those that have no room below are left out */
    unsigned listed;
    struct remote_in_use_caller caller[REMOTE_IN_USE_CALLERS]; /* the one with the oldest slot first */
};

/* Fills in `found`, for a process whose exported structure was found. */
enum remote_process_state remote_in_use_read(struct remote_process *target, struct remote_in_use *found);

#endif
