/* Reads the figures of another process's named fixed-size pools. The process uses them by the functions
 * sockmalloc_pool_*. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_POOLS_H
#define SOCKMALLOC_REMOTE_POOLS_H

#include "buffers/fixed_pool.h"
#include "buffers/fixed_statistics.h"
#include "command/remote_buffers.h"
#include "command/remote_process.h"

/* The most pools of one process that are read. */
enum { REMOTE_POOLS = 64 };

struct remote_pool {
    /* name of the pool, as the process has stored it; it may contain any byte but ends with a NUL */
    char name[FIXED_NAME_SIZE];
    uint64_t block; /* bytes */
    struct fixed_figures figures;
};

struct remote_pools {
    unsigned count;
    struct remote_pool pool[REMOTE_POOLS];
    struct remote_buffers buffers; /* message pages and rings */
};

static inline void remote_pools_clear(struct remote_pools *pools)
{
    pools->count = pools->buffers.messages = pools->buffers.rings = 0;
}

/* Returns true if there is at least one pool, message page or ring. */
static inline bool remote_pools_are_any(const struct remote_pools *pools)
{
    return pools->count > 0 || pools->buffers.messages > 0 || pools->buffers.rings > 0;
}

/*
 * Reads the pools, message pages and rings of a process. remote_process_find must have found its exported structure.
 * Each count in the process's memory is bounded by the size of its table before it is used. Only pointers to tables are
 * followed. A table that cannot be copied counts as empty. At most 4 MiB are copied for each pool. The time is not
 * limited here; look_at_pools limits it.
 */
enum remote_process_state remote_pools_read(const struct remote_process *target, struct remote_pools *pools);

/*
 * Adds the pools, message pages and rings of another process to *sum. Pools with equal names and block sizes are added
 * up, and pools are left out if *sum already has REMOTE_POOLS pools. remote_buffers_add adds message pages and rings.
 */
void remote_pools_add(struct remote_pools *sum, const struct remote_pools *pools);

#endif
