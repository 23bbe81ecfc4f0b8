/* Gives free memory back while a thread of the program sleeps in the kernel and waits for events. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_SLEEP_H
#define SOCKMALLOC_POOL_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#define POOL_SLEEP_NEVER UINT64_MAX

/*
 * An idle server frees nothing, so no tick comes (pool_decay). But it sleeps in a call like epoll_wait, and there its
 * free memory can go back: the call asks how long it may sleep, sleeps no longer, takes a step, and asks again.
 *
 * Two kinds of memory go back. What lies in depots and stacks goes as in any tick, when the old generation's time has
 * come. What lies in the calling thread's own magazines goes when the thread has neither allocated nor freed anything
 * for SOCKMALLOC_DECAY_MS. Those slots stay in their magazines, and only their pages go: a signal handler that calls
 * poll may have interrupted malloc between its reading a slot off the magazine and its storing the new top.
 *
 * Any thread, signal handlers too. No lock is waited for.
 */

/*
 * Returns for how many nanoseconds the calling thread may sleep before it should take a step: 0 if a step is due, and
 * POOL_SLEEP_NEVER if no free memory waits for its time, or if the thread is busy and wants to sleep for a second at
 * most. `wanted` is for how many nanoseconds it wants to sleep. Price: the coarse clock, and some loads for each bucket
 * that has nothing free.
 *
 * A thread that `watches` for other threads also wakes up when nothing is free, because the others may free memory
 * while it sleeps, and then sleep in calls that are not wrapped: after half a second, and after twice as long each
 * time. It does so if it wants to sleep for more than five seconds, but not in a long row of sleeps that each began a
 * moment after the one before, because a busy event loop would pay for each of them.
 */
uint64_t pool_sleep_limit(uint64_t wanted, bool watches);

/* Gives back what is due, at most the bytes that pool_quantum says, or 16 slots of a magazine. Returns what
 * pool_sleep_limit says afterwards. */
uint64_t pool_sleep_step(void);

#endif
