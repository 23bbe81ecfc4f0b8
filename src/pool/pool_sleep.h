/* Gives free memory back to the kernel while a thread of the program sleeps in the kernel and waits for events. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_SLEEP_H
#define SOCKMALLOC_POOL_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#define POOL_SLEEP_NEVER UINT64_MAX

/*
 * Ticks, which give free memory back, run in calls of free (pool_decay). An idle server frees nothing, so no tick runs.
 * But it sleeps in a call like epoll_wait, and its free memory can be given back there. The library's wrapper of that
 * call gets from pool_sleep_limit the longest time for which it may sleep, sleeps for at most that time, calls
 * pool_sleep_step, and begins again.
 *
 * Two kinds of memory are given back. Slots in depots and stacks are purged as in any tick, when the old generation
 * (slots freed longer ago) is due to be purged. Slots in the calling thread's own magazines lose their pages when the
 * thread has neither allocated nor freed anything for SOCKMALLOC_DECAY_MS. These slots stay in their magazines, because
 * a signal handler that calls poll may have interrupted malloc between its load of a slot from the magazine and its
 * store of the new top.
 *
 * Any thread and any signal handler may call these functions. They wait for no lock.
 */

/*
 * Returns for how many nanoseconds the calling thread may sleep before it should call pool_sleep_step: 0 if a step is
 * due now. Returns POOL_SLEEP_NEVER if no step will become due, or if the thread is busy and `wanted` is a second at
 * most. `wanted` is the number of nanoseconds that the thread is going to sleep. Price: the coarse clock, and some
 * loads for each bucket that has nothing free.
 *
 * A thread that `watches` for other threads also wakes up while nothing is free: after half a second, and then after
 * twice as long each time. The other threads may free memory while it sleeps, and then sleep themselves in calls that
 * are not wrapped. A thread watches only in sleeps of more than five seconds, and only if the process has several
 * threads. In a long row of sleeps that each began a moment after the one before, it does not watch, because a busy
 * event loop would have to pay for that in each sleep.
 */
uint64_t pool_sleep_limit(uint64_t wanted, bool watches);

/*
 * Gives back free memory that is due: at most pool_quantum() bytes from depots and stacks. Also gives back the pages of
 * some slots in one magazine of the thread: of as many as pool_purge_in_place purges in one call. Returns for how many
 * nanoseconds the thread may sleep before the next step, or POOL_SLEEP_NEVER.
 */
uint64_t pool_sleep_step(void);

/* Purges what is due on the depots and stacks only. This function is for a thread that cannot block its signal handlers
 * meanwhile: a handler could allocate a slot of the thread's own magazines just while the slot is purged. */
void pool_sleep_step_unblocked(void);

/* Clears the flag that says that a thread is giving memory back, because it may be set by a thread of the parent. This
 * function runs in the child of a fork. */
void pool_sleep_after_fork(void);

#endif
