/* Runs the background thread, which gives pages of free slots back to the kernel while the program makes no calls. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BACKGROUND_H
#define SOCKMALLOC_BACKGROUND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * SOCKMALLOC_BACKGROUND=1 adds one thread to the process. It purges free slots step by step, as the program's own
 * threads do after every so many frees (pool_decay.h). It is created when main begins, with all signals blocked. When
 * for a while no slot has come to a depot or a stack of free slots, the thread sleeps until one does. It never keeps a
 * process alive whose other threads have all ended. The child of a fork does not have the thread.
 *
 * The thread is never created in malloc or free, because libc may call these while it holds locks that pthread_create
 * takes too. In the child of a fork, background_offer creates the thread when it is needed.
 */
struct background {
    bool wanted;
    _Alignas(CACHE_LINE) _Atomic bool called; /* background_call was called since the thread last cleared this */
    _Atomic uint32_t state;
};

extern INTERNAL struct background background;

/* The thread's work: runs one bounded step of purging. Returns true if more pages are due to be purged. */
typedef bool background_work(void);

/* libc's pthread_create. background_open gets it as an argument, because in this library the name `pthread_create`
 * stands for a wrapper that calls background_offer. */
typedef int background_creator(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                               void *argument);

/*
 * Notes how the thread is to be created and what it does. The program's first thread calls it at start-up. `nap` is the
 * number of nanoseconds from one step of the thread to the next when no pages are due to be purged. If `wanted` is
 * false or `create` is NULL, there is never a thread.
 */
void background_open(bool wanted, uint64_t nap, background_work *work, background_creator *create);

/* Creates the background thread. The library calls this function when main begins. */
void background_begin(void);

/* Does the work of background_offer, once that has found that a background thread is wanted. */
INTERNAL void background_offer_slow(void);

/* Creates the thread in the child of a fork, once there are free slots there that it could purge. Any thread may call
 * it, but not in a signal handler, and not while the caller holds a lock of libc. */
static inline void background_offer(void)
{
    if (UNLIKELY(background.wanted)) {
        background_offer_slow();
    }
}

/* Does the work of background_call, once that has found that a background thread is wanted. */
INTERNAL void background_call_slow(void);

/* Tells the thread that free slots have come to a depot or a stack. Wakes it if it sleeps. Any thread may call it, no
 * matter which locks that thread holds. */
static inline void background_call(void)
{
    if (UNLIKELY(background.wanted)) {
        background_call_slow();
    }
}

/* Forgets the thread, which only the parent has. It runs in the child of a fork. */
void background_after_fork(void);

#endif
