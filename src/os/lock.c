/* A mutex for use inside malloc: no signal handler ever waits in it for what it interrupted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/lock.h"

#include <stddef.h>

#include "os/os.h"

enum { LOCK_FREE, LOCK_TAKEN, LOCK_AWAITED };

/*
 * How many locks the thread is inside of, from before it takes one until after it has released it.
 * Whether it is inside any is what counts: of two threads that hold a lock each, and whose handlers
 * want the other's, an owner kept in each lock would tell neither to give way. A handler leaves the
 * number as it found it, so plain loads and stores will do.
 */
static _Thread_local _Atomic unsigned inside __attribute__((tls_model("initial-exec")));

/* Whether the thread was inside one before. */
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
 * The lock that is had in this way is called awaited even if nobody else waits: who slept cannot
 * tell, and a wake too many is a system call, where one too few is a thread that sleeps for good.
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
