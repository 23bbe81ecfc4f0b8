/* A mutex that may be used inside malloc. If a thread holds a lock, a signal handler that interrupts the thread never
 * waits for that lock. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/lock.h"

#include <stddef.h>

#include "os/os_process.h"

enum { LOCK_FREE, LOCK_TAKEN, LOCK_AWAITED };

/*
 * The number of locks that the thread is inside of: those that it is taking, holds, or is releasing. A lock counts from
 * before the thread takes it until after the thread has released it. It would not be enough to store in each lock which
 * thread holds it. Example: two threads hold a lock each, and in each thread a signal handler needs the other thread's
 * lock. Neither lock is held by the thread that needs it, but one of the handlers must go on without a lock. Plain
 * loads and stores are enough, because a handler leaves the count as it has found it.
 */
static _Thread_local _Atomic unsigned inside __attribute__((tls_model("initial-exec")));

/* Counts one more lock that the thread is inside of. Returns true if the thread was inside a lock before. */
static bool lock_enter(void)
{
    unsigned before = atomic_load_explicit(&inside, memory_order_relaxed);
    atomic_store_explicit(&inside, before + 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return before > 0;
}

static void lock_leave(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    unsigned before = atomic_load_explicit(&inside, memory_order_relaxed);
    atomic_store_explicit(&inside, before - 1, memory_order_relaxed);
}

/*
 * Sleeps until the lock is free, and takes it. Marks the lock as one for which threads wait, even if none does, because
 * a thread that has slept cannot know if others still sleep. A superfluous wake costs only a system call, but a missing
 * one would let a thread sleep for ever.
 */
static COLD void lock_wait(struct lock *lock)
{
    while (atomic_exchange_explicit(&lock->word, LOCK_AWAITED, memory_order_acquire) != LOCK_FREE) {
        os_wait(&lock->word, LOCK_AWAITED, UINT64_MAX);
    }
}

bool lock_take(struct lock *lock)
{
    bool nested = lock_enter();
    uint32_t seen = LOCK_FREE;
    if (LIKELY(atomic_compare_exchange_strong_explicit(&lock->word, &seen, LOCK_TAKEN, memory_order_acquire,
                                                       memory_order_relaxed))) {
        return true;
    }
    if (nested) {
        lock_leave();
        return false;
    }
    lock_wait(lock);
    return true;
}

void lock_release(struct lock *lock)
{
    uint32_t was = atomic_exchange_explicit(&lock->word, LOCK_FREE, memory_order_release);
    if (UNLIKELY(was == LOCK_AWAITED)) {
        os_wake_one(&lock->word);
    }
    lock_leave();
}

void lock_reset(struct lock *lock)
{
    atomic_store_explicit(&lock->word, LOCK_FREE, memory_order_relaxed);
}
