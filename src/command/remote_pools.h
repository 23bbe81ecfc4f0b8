/* Reads the figures of another process's fixed-size pools, sockmalloc_pool_*, that have a name. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_POOLS_H
#define SOCKMALLOC_REMOTE_POOLS_H

#include "buffers/fixed_pool.h"
#include "buffers/fixed_statistics.h"
#include "command/remote_buffers.h"
#include "command/remote_process.h"

/* The most pools that are shown of one process. */
enum { REMOTE_POOLS = 64 };

struct remote_pool {
    char name[FIXED_NAME_SIZE]; /* as the process wrote it; it may contain any byte but ends with a NUL */
    uint64_t block;             /* bytes */
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

/* Returns true if there is anything to be shown. */
static inline bool remote_pools_are_any(const struct remote_pools *pools)
{
    return pools->count > 0 || pools->buffers.messages > 0 || pools->buffers.rings > 0;
}

/*
 * Reads the pools, message pages and rings of a process whose exported structure was found. Each count that the process
 * names is bounded by the size of its table before it is used, and no pointer of the process is followed but those at
 * which tables are copied. A table that cannot be copied counts as empty. At most 4 MiB are copied for each pool. The
 * time is not limited here, as in remote_snapshot_take.
 */
enum remote_process_state remote_pools_read(const struct remote_process *target, struct remote_pools *pools);

/*
 * Adds the pools of another process to *sum. Pools of one name and one size of blocks are added up. Pools beyond
 * REMOTE_POOLS are left out.
 */
void remote_pools_add(struct remote_pools *sum, const struct remote_pools *pools);

#endif
