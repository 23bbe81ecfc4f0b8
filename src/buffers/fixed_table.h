/* The table of all fixed-size pools of the process, and what the child of a fork does with them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_TABLE_H
#define SOCKMALLOC_FIXED_TABLE_H

#include "base/span.h"
#include "buffers/fixed_pool.h"

/*
 * Returns where the address of the table is kept, which is NULL before the first pool. A process that inspects this one
 * reads the table there.
 */
INTERNAL struct span fixed_table_span(void);

/*
 * Returns the record of a new pool, zeroed but for its number, with the mark FIXED_CLOSING. Returns NULL and sets errno
 * to EAGAIN if the process has FIXED_POOLS pools, or to ENOMEM. The table stays mapped, so that a pool which is used
 * after it was destroyed can be told by its mark.
 */
INTERNAL struct fixed_pool *fixed_table_add(void);

/* Makes the record free for another pool. */
INTERNAL void fixed_table_remove(struct fixed_pool *pool);

/*
 * Puts all blocks that are not live back into the stacks of their chunks. Runs in the child of a fork, where the
 * magazines of other threads are gone and a thread may have been in the middle of any step.
 */
INTERNAL void fixed_table_recover(struct fixed_pool *pool);

#endif
