/* A mutex for use inside malloc: no signal handler ever waits in it for what it interrupted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LOCK_H
#define SOCKMALLOC_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * The contract. Zero is a free lock. Uncontended, taking it is one compare-and-swap and releasing
 * it one exchange; who finds it taken sleeps in the kernel until it is released (futex; U. Drepper,
 * "Futexes Are Tricky"). First come is not first served, and a waiter lends nobody its priority.
 * Any thread, signal handlers too; errno is kept.
 *
 * What a thread does while it holds one must not end the thread: no cancellation point. Then a
 * holder always comes to its release. It does not if its program cancels it asynchronously or jumps
 * out of a handler that interrupted malloc, both of which POSIX forbids; the other threads then
 * wait for good, as they would for libc's malloc.
 */
struct lock {
    _Atomic uint32_t word;
};

/*
 * Takes the lock. False, without the lock, where the calling thread is inside some lock already and
 * finds this one taken: then it runs a handler that interrupted it there, and would wait for
 * itself, or for a thread whose handler waits for it in turn. The caller then does without, and
 * must not release; so what a lock guards must bear an intruder.
 */
INTERNAL bool lock_take(struct lock *lock);

/* Releases a lock for which lock_take was true. */
INTERNAL void lock_release(struct lock *lock);

/*
 * Makes the lock free, whoever held it. Only in the child of a fork, whose one thread is not the
 * holder; unless it forked in a handler that interrupted it there, and then what was interrupted
 * goes on without the lock.
 */
INTERNAL void lock_reset(struct lock *lock);

#endif
