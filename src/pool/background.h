/* The background thread: it purges free slots, that is, gives their pages back to the kernel, while the program itself
 * makes no calls of malloc and free. */
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
 * threads do in some of their frees (pool_decay.h). It is created when main begins, with all signals blocked. If no
 * slot has come to a depot or a stack for a while, the thread sleeps until one does. If the process's first thread ends
 * by pthread_exit, the background thread ends when no other thread is left, so that the process ends too; if a seccomp
 * filter forbids finding that out, it ends at once. The child of a fork does not have the thread.
 *
 * The thread is never created in malloc or free, because libc may call these while it holds locks that pthread_create
 * takes too. In the child of a fork, background_offer creates the thread when it is needed.
 */
struct background {
    bool wanted;
    /* true if background_call was called, or the process's first thread has ended, since the background thread last set
     * this to false */
    _Alignas(CACHE_LINE) _Atomic bool called;
    _Atomic uint32_t state;
};

extern INTERNAL struct background background;

/* A function that runs one bounded step of purging. Returns true if more pages are due to be purged. */
typedef bool background_work(void);

/* libc's pthread_create. It is an argument of background_open, because inside this library the name `pthread_create`
 * means a wrapper that calls background_offer. */
typedef int background_creator(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                               void *argument);

/*
 * Sets how the background thread is created and what it does. The program's first thread calls this function at
 * start-up. `nap` is the time in nanoseconds between two steps of the background thread while no pages are due to be
 * purged. If `wanted` is false or `create` is NULL, there is never a background thread.
 */
void background_open(bool wanted, uint64_t nap, background_work *work, background_creator *create);

/* Creates the background thread if one is wanted. The library calls this function when main begins. */
void background_begin(void);

/* The slow path of background_offer, which calls this function if a background thread is wanted. */
INTERNAL void background_offer_slow(void);

/* Creates the background thread in the child of a fork, if there are free slots that it could purge. Any thread may
 * call this function, but no signal handler, and no caller that holds a lock of libc. */
static inline void background_offer(void)
{
    if (UNLIKELY(background.wanted)) {
        background_offer_slow();
    }
}

/* The slow path of background_call, which calls this function if a background thread is wanted. */
INTERNAL void background_call_slow(void);

/* Tells the background thread that free slots have come to a depot or a stack, and wakes it if it sleeps. Any thread
 * may call this function, whatever locks it holds. */
static inline void background_call(void)
{
    if (UNLIKELY(background.wanted)) {
        background_call_slow();
    }
}

/* Resets the state of the background thread in the child of a fork, which does not have this thread. */
void background_after_fork(void);

#endif
