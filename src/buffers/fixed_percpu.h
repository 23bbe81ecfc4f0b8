/*
 * The caches of a fixed-size pool of the kind `cpu`: each processor has a magazine, which one thread at a time may use.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_PERCPU_H
#define SOCKMALLOC_FIXED_PERCPU_H

#include "buffers/fixed_pool.h"

/*
 * No thread waits for a processor's magazine. If a thread finds the magazine busy, it uses the shared free list
 * instead. The magazine may be busy because the kernel has stopped another thread in the middle of using it, or because
 * the caller is a signal handler that has interrupted its own thread there. If a thread dies while using the magazine,
 * the magazine stays busy, and its blocks are lost until the pool is destroyed or the process forks.
 */

/* Allocates a block, marks it as live and returns it. Returns NULL if there is no memory. */
INTERNAL void *fixed_percpu_take(struct fixed_pool *pool);

/* Puts a block, which is already marked as free (FIXED_FREE), into the magazine of the processor on which the thread
 * runs, or into the shared free list. */
INTERNAL void fixed_percpu_put(struct fixed_pool *pool, struct fixed_item item);

/* Moves the blocks of all processors' magazines to the shared free list, except for magazines that are busy. */
INTERNAL void fixed_percpu_drain(struct fixed_pool *pool);

/* Called in the child of a fork: empties all processors' magazines without freeing their blocks. The caller must then
 * find the free blocks by their states. */
INTERNAL void fixed_percpu_reset(struct fixed_pool *pool);

#endif
