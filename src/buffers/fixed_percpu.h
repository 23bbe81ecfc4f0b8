/* What each processor keeps of a fixed-size pool of the kind cpu: a magazine that one thread at a time may use. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_PERCPU_H
#define SOCKMALLOC_FIXED_PERCPU_H

#include "buffers/fixed_pool.h"

/*
 * Nobody waits for a processor's magazine. A thread that finds it busy, because another thread was preempted inside or
 * because a signal handler interrupted its own thread inside, turns to the shared free list. If a thread ends inside,
 * the magazine stays busy, and its blocks are lost until the pool is destroyed or the process forks.
 */

/* Returns a block, marked as live, or NULL if there is no memory. */
INTERNAL void *fixed_percpu_take(struct fixed_pool *pool);

/* Puts a block whose state is FIXED_FREE. */
INTERNAL void fixed_percpu_put(struct fixed_pool *pool, struct fixed_item item);

/* Moves the blocks of all magazines to the shared free list, except of those that are busy. */
INTERNAL void fixed_percpu_drain(struct fixed_pool *pool);

/* Empties all magazines in the child of a fork. The caller finds the blocks again by their states. */
INTERNAL void fixed_percpu_reset(struct fixed_pool *pool);

#endif
