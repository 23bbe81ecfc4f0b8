/* Wraps calls that a program makes while it holds no lock of libc. The background thread is started again in them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <threads.h>
#include <time.h>

#include "base/attributes.h"
#include "pool/background.h"
#include "pool/pool.h"

/*
 * The child of a fork has no background thread. The thread cannot be started in malloc, free or a fork handler,
 * because libc may hold any of its locks there. It is started when the child begins to work as a server: in its first
 * pthread_create or thrd_create, or when its event loop waits. POSIX and signal-safety(7) forbid signal handlers to
 * call any of these functions, so no function of libc is interrupted half-way. They allow poll, select and accept in
 * handlers, which are therefore not wrapped. libc's own functions are looked up at the first call.
 */
typedef int create_function(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
typedef int standard_create_function(thrd_t *thread, thrd_start_t run, void *argument);
typedef int wait_function(int file, struct epoll_event *events, int count, int milliseconds);
typedef int masked_wait_function(int file, struct epoll_event *events, int count, int milliseconds,
                                 const sigset_t *mask);
typedef int timed_wait_function(int file, struct epoll_event *events, int count, const struct timespec *limit,
                                const sigset_t *mask);

static void *find_next(_Atomic(void *) *known, const char *name)
{
    void *found = atomic_load_explicit(known, memory_order_relaxed);
    if (UNLIKELY(found == NULL)) {
        found = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(known, found, memory_order_relaxed);
    }
    return found;
}

/*
 * Does the work that the child of a fork has put off. Here the thread neither allocates nor frees a slot, so its own
 * slots are all accounted for.
 */
static void before_waiting(void)
{
    pool_recover_due();
    background_offer();
}

static int not_there(void)
{
    errno = ENOSYS;
    return -1;
}

EXPORTED int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*run)(void *),
                            void *restrict argument)
{
    static _Atomic(void *) known;
    create_function *next = (create_function *)find_next(&known, "pthread_create");
    before_waiting();
    return next != NULL ? next(thread, attributes, run, argument) : EAGAIN;
}

EXPORTED int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
    static _Atomic(void *) known;
    standard_create_function *next = (standard_create_function *)find_next(&known, "thrd_create");
    before_waiting();
    return next != NULL ? next(thread, run, argument) : thrd_error;
}

EXPORTED int epoll_wait(int file, struct epoll_event *events, int count, int milliseconds)
{
    static _Atomic(void *) known;
    wait_function *next = (wait_function *)find_next(&known, "epoll_wait");
    before_waiting();
    return next != NULL ? next(file, events, count, milliseconds) : not_there();
}

EXPORTED int epoll_pwait(int file, struct epoll_event *events, int count, int milliseconds, const sigset_t *mask)
{
    static _Atomic(void *) known;
    masked_wait_function *next = (masked_wait_function *)find_next(&known, "epoll_pwait");
    before_waiting();
    return next != NULL ? next(file, events, count, milliseconds, mask) : not_there();
}

/* glibc has this function from 2.35 on. */
int timed_wait(int file, struct epoll_event *events, int count, const struct timespec *limit,
               const sigset_t *mask) __asm__("epoll_pwait2");
EXPORTED int timed_wait(int file, struct epoll_event *events, int count, const struct timespec *limit,
                        const sigset_t *mask)
{
    static _Atomic(void *) known;
    timed_wait_function *next = (timed_wait_function *)find_next(&known, "epoll_pwait2");
    before_waiting();
    return next != NULL ? next(file, events, count, limit, mask) : not_there();
}
