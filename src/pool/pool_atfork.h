/* Makes the pools usable in the child of a fork: finds the free slots that the threads of its parent held. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_ATFORK_H
#define SOCKMALLOC_POOL_ATFORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * The child of a fork has one thread. If its parent had more, these may have been in the middle of malloc or free, so
 * the child drops all magazines and stacks, and finds the free slots again by the metadata of each slot. A slot that
 * another thread was just allocating or freeing may be lost. Event counters begin at 0 in the child. Live and retained
 * slots are counted from the metadata or, if the parent had one thread only, computed from its counters.
 *
 * While the kernel copies the page tables of the parent, which takes milliseconds in a large process, the parent's
 * other threads go on. So the child's memory is not a picture of one moment: two pages may be of different moments. A
 * counter or metadata therefore proves nothing about another page, in particular not that a slot reads as zero
 * (pool_is_child_of_threads). But the metadata of a slot tells by itself if the slot is free.
 *
 * All functions here but pool_before_fork run in the child, in its one thread.
 */

/* Stores, for the child of a fork, whether this process has several threads. This function runs in the parent, just
 * before each fork. */
void pool_before_fork(void);

/*
 * Prepares the child in two steps, because its thread may have forked in a signal handler that interrupted malloc or
 * free. The interrupted call then holds a slot whose metadata says free, and which must not be found as a free slot.
 *
 * This first step, in the handler of fork, resets the counters and drops everything that threads share. The thread
 * keeps its private magazines, with which an interrupted malloc or free goes on. The numbers of live and free slots may
 * be wrong by the one slot in the interrupted call.
 *
 * The second step, pool_recover_due, finds the free slots. It runs when the thread certainly holds no such slot: at its
 * next allocation in a slow path, and before the child creates a thread or sleeps. If another thread, which libc can
 * create by itself, allocates or frees before that, the second step is given up: the child then never uses the slots
 * that its parent had free.
 *
 * In the signal handler itself, malloc works only as long as the fast path serves it, as in every handler that
 * interrupts malloc.
 */
void pool_atfork_child(void);

/* Does both steps of pool_atfork_child at once. The caller must not have interrupted a malloc or free. */
void pool_atfork_child_at_once(void);

/*
 * The states of the search for free slots in the child of a fork (the second step of pool_atfork_child).
 * POOL_RECOVERED: it is done, was not needed, or was given up. POOL_RECOVERY_DUE: the thread that has forked has to do
 * it. POOL_RECOVERING: that thread is doing it.
 */
enum { POOL_RECOVERED, POOL_RECOVERY_DUE, POOL_RECOVERING };
extern INTERNAL _Atomic uint32_t pool_recovery;

/* Returns false in the child of a fork whose free slots have not been found yet, and true otherwise. */
static inline bool pool_has_recovered(void)
{
    return LIKELY(atomic_load_explicit(&pool_recovery, memory_order_acquire) == POOL_RECOVERED);
}

/* The slow paths of pool_recover_due and pool_drop_recovery. Each of these two functions calls its slow path only while
 * the free slots have not been found. */
INTERNAL void pool_recover_slow(void);
INTERNAL void pool_drop_recovery_slow(void);

/*
 * Finds the free slots in the child of a fork, if they have not been found yet (the second step of pool_atfork_child).
 * In any thread but the one that has forked, does what pool_drop_recovery does. The caller must not hold a slot whose
 * metadata says that it is free.
 */
static inline void pool_recover_due(void)
{
    if (UNLIKELY(!pool_has_recovered())) {
        pool_recover_slow();
    }
}

/*
 * If the caller is not the thread that has forked, gives up the second step of pool_atfork_child, the search for free
 * slots. The reason is that from now on the caller may hold a slot whose metadata says that it is free. If the search
 * has begun, waits for its end. This function is called before a slot is freed in a slow path.
 */
static inline void pool_drop_recovery(void)
{
    if (UNLIKELY(!pool_has_recovered())) {
        pool_drop_recovery_slow();
    }
}

#endif
