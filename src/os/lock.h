/* A mutex for use inside malloc. A signal handler never waits in it for the thread that it interrupted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LOCK_H
#define SOCKMALLOC_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * A lock that is zero is free. If no other thread holds it, taking it costs one compare-and-swap and releasing it one
 * exchange. A thread that finds it taken sleeps in the kernel until it is released (futex; U. Drepper, "Futexes Are
 * Tricky"). Waiting threads are not served in order of arrival, and there is no priority inheritance. Safe in any
 * thread and in signal handlers; errno is kept.
 *
 * A thread that holds a lock must not reach a cancellation point, because a cancelled thread would never release the
 * lock. The same happens if a program cancels a thread asynchronously in malloc, or jumps out of a signal handler
 * that interrupted malloc. POSIX forbids both. The other threads then wait forever, as they would for the malloc of
 * libc.
 */
struct lock {
    _Atomic uint32_t word;
};

/*
 * Takes the lock and returns true. Returns false, without the lock, if the calling thread is inside some lock already
 * and this one is taken. The thread then runs a signal handler that interrupted it inside a lock: it would wait for
 * itself, or for a thread whose handler waits for it. The caller must go on without the lock and must not release it.
 * So data behind a lock must stay valid when one thread changes it without the lock.
 */
INTERNAL bool lock_take(struct lock *lock);

/* Releases a lock for which lock_take returned true. */
INTERNAL void lock_release(struct lock *lock);

/*
 * Makes the lock free, whichever thread held it. Only for the child of a fork, whose one thread is not the holder.
 * There is one exception: a signal handler that interrupted the holder may have forked. The interrupted code then
 * goes on without the lock.
 */
INTERNAL void lock_reset(struct lock *lock);

#endif
