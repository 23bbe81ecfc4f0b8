/* The shim: calls that a program makes with none of libc's locks held, where the background thread
 * is made anew. */
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
 * The child of a fork has no such thread, and may not get one in malloc, in free or in a handler of
 * fork: these run under any lock of libc's. It gets one where a server begins to be one: in its
 * first pthread_create or thrd_create, or when its event loop waits. No signal handler may call any
 * of these, by POSIX and by signal-safety(7), so that nothing of libc's is interrupted half done;
 * poll, select and accept a handler may call. libc's own are looked up at the first call of each.
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

/* What the child of a fork has put off: here no slot is on its way to the caller, or from it. */
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

/* In glibc from 2.35 on. */
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
