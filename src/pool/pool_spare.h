/* Decides which thread keeps a spare slot: one free slot of a large bucket in the thread's cache, which malloc and free
 * use before the bucket's stack. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_SPARE_H
#define SOCKMALLOC_POOL_SPARE_H

#include "cache/cache.h"

/*
 * A pair of malloc and free that the stack of a large bucket serves costs two compare-and-swaps. A spare slot in the
 * thread's cache (cache_keep_spare) makes such a pair as cheap as that of a small bucket.
 *
 * Only the thread itself can give up its spare slot, because the fast paths use the slot without a locked instruction.
 * A thread that sleeps in a call that is not wrapped would keep the slot, and its memory, for as long as it sleeps. So
 * spare slots are kept only in a process with a single thread: while that thread sleeps, nothing else of the process
 * could give memory back either. pool_sleep purges the slot while the thread waits for events.
 *
 * All functions work on the calling thread's own cache. A signal handler that has interrupted malloc or free must not
 * call them.
 */

/* Lets the thread keep a spare slot of a large bucket that it is busy with, if spare slots are allowed. `cache` is the
 * calling thread's own. */
void pool_keep_spare(struct cache *cache, unsigned bucket);

/*
 * Drops the spare slots that the thread has not used since the last call: they go to the stacks, and are purged there
 * when their time comes. Drops all of them if spare slots are no longer allowed. This function is called at each tick
 * (a free that reads the clock) at which the clock has advanced. `cache` is the calling thread's own.
 */
void pool_review_spares(struct cache *cache);

/* Drops all spare slots of the calling thread. This function is called before the process gets a second thread or a
 * seccomp filter, and before memory is given back at the program's request. */
void pool_drop_spares(void);

#endif
