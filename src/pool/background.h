/* The background thread: gives pages back while the program is silent. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BACKGROUND_H
#define SOCKMALLOC_BACKGROUND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * One thread, with SOCKMALLOC_BACKGROUND alone, which does what a program's own frees do now and
 * then. It is made when main begins, with all signals blocked; it sleeps for good when nothing has
 * come to a depot or a stack for a while, until something does. In the child of a fork it is gone.
 * It does not keep a process alive whose other threads have ended.
 *
 * It is never made in malloc or free: libc calls these with locks of its own held, which making a
 * thread takes, too. A child gets it by background_offer, at need.
 */
struct background {
    bool wanted;
    _Alignas(CACHE_LINE) _Atomic bool called; /* since the thread last looked */
    _Atomic uint32_t state;
};

extern INTERNAL struct background background;

/* The thread's work: gives pages back, at most a quantum. Whether there is more to do. */
typedef bool background_work(void);

/*
 * libc's pthread_create. It is an argument of background_open, because the name `pthread_create` stands for
 * the library's own wrapper, which itself calls background_offer.
 */
typedef int background_creator(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                               void *argument);

/* Prepares the thread. Called at start-up by the program's first thread. `nap` is the number of nanoseconds
 * that the thread waits before it looks for work again. Without `create` there is no thread. */
void background_open(bool wanted, uint64_t nap, background_work *work, background_creator *create);

/* main begins: the thread is made. */
void background_begin(void);

/* What background_offer leaves over. */
INTERNAL void background_offer_slow(void);

/* Makes the thread where it is gone and free slots have come for it. With none of libc's locks
 * held, and in no signal handler. Any thread. */
static inline void background_offer(void)
{
    if (UNLIKELY(background.wanted)) {
        background_offer_slow();
    }
}

/* What background_call leaves over. */
INTERNAL void background_call_slow(void);

/* Free slots have come where the thread can find them. Any thread, under any lock. */
static inline void background_call(void)
{
    if (UNLIKELY(background.wanted)) {
        background_call_slow();
    }
}

/* In the child of a fork: there is no such thread. */
void background_after_fork(void);

#endif
