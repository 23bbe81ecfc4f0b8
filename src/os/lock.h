/* A mutex that may be used inside malloc. If a thread holds a lock, a signal handler that interrupts the thread never
 * waits for that lock. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LOCK_H
#define SOCKMALLOC_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * A lock whose word is zero is free. If no other thread holds the lock, taking it costs one compare-and-swap and
 * releasing it one exchange. A thread that finds the lock taken sleeps in the kernel until the lock is released (futex;
 * U. Drepper, "Futexes Are Tricky"). Waiting threads are not served in order of arrival, and there is no priority
 * inheritance. Any thread and any signal handler may use a lock; errno is kept.
 *
 * A thread that holds a lock must not reach a cancellation point, because a cancelled thread would never release the
 * lock. The lock is not released either if a program cancels a thread asynchronously in malloc, or jumps out of a
 * signal handler that interrupted malloc. POSIX forbids both. The other threads then wait forever, as they would for
 * the malloc of libc.
 */
struct lock {
    _Atomic uint32_t word;
};

/*
 * Takes the lock and returns true. Returns false, without the lock, if the calling thread is inside some lock already
 * and this lock is taken. The caller is then a signal handler that interrupted its thread inside a lock: the thread
 * would wait for itself, or for another thread whose handler waits for this thread. The caller must go on without the
 * lock and must not release it. So the data that a lock protects must stay valid when one thread changes the data
 * without the lock.
 */
INTERNAL bool lock_take(struct lock *lock);

/* Releases a lock for which lock_take returned true. */
INTERNAL void lock_release(struct lock *lock);

/*
 * Makes the lock free, whichever thread held it. Only the child of a fork may call this function. The only thread of
 * the child does not hold the lock, with one exception: if a signal handler has interrupted the holder and forked, the
 * interrupted code goes on in the child, and no longer has the lock there.
 */
INTERNAL void lock_reset(struct lock *lock);

#endif
