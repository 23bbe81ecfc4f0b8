/* The table of all fixed-size pools of the process, and what the child of a fork does with the pools. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_TABLE_H
#define SOCKMALLOC_FIXED_TABLE_H

#include "base/span.h"
#include "buffers/fixed_pool.h"

/*
 * Returns the place where the address of the table is stored; that address is NULL until the first pool is made.
 * Another process, which inspects this one, finds the pools through that place.
 */
INTERNAL struct span fixed_table_span(void);

/*
 * Returns the record of a new pool: cleared, with its number, and marked as FIXED_CLOSING. Returns NULL with errno
 * EAGAIN if the process has FIXED_POOLS pools or a signal handler cannot get the lock, or with ENOMEM if memory is
 * short. Records are never unmapped, so that `mark` still shows that a pool was destroyed when a program uses the pool
 * afterwards.
 */
INTERNAL struct fixed_pool *fixed_table_add(void);

/* Makes the record of a destroyed pool free for another pool. */
INTERNAL void fixed_table_remove(struct fixed_pool *pool);

/*
 * Puts all blocks that are not live back on the stacks of their chunks. Called in the child of a fork, because the
 * magazines of the parent's other threads are of no use there, and these threads may have been interrupted anywhere.
 */
INTERNAL void fixed_table_recover(struct fixed_pool *pool);

#endif
