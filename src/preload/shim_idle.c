/*
 * Wraps pthread_create and thrd_create. In these calls a program holds no lock of libc, so the child of a fork can
 * start its background thread there. The thread that calls them also gives up the free slots that it keeps for itself
 * (spare slots).
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <threads.h>

#include "base/attributes.h"
#include "pool/background.h"
#include "pool/pool.h"
#include "pool/pool_spare.h"

/*
 * The child of a fork has no background thread. The library cannot start one in malloc, free or a fork handler, because
 * libc may hold any of its locks there. The background thread is started when the child begins to work as a server: in
 * its first pthread_create or thrd_create, or when its event loop waits. POSIX and signal-safety(7) forbid signal
 * handlers to call any of these functions, so no function of libc is interrupted half-way. libc's own functions are
 * looked up at the first call. shim_sleep wraps the waits of event loops.
 */
typedef int create_function(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
typedef int standard_create_function(thrd_t *thread, thrd_start_t run, void *argument);

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
 * First does the work that is still to be done in the child of a fork: finds the free slots, whose lists the fork has
 * left empty, and starts the background thread if it is needed. Then moves the calling thread's spare slots (free slots
 * that it keeps for itself) to the shared stacks of free slots. There other threads can purge them, while this thread
 * may soon sleep in a call that the library does not wrap. The move is safe, because this function is never called in
 * the middle of an allocation or a free, when a slot may be in no list.
 */
static void before_waiting(void)
{
    pool_recover_due();
    background_offer();
    pool_drop_spares();
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
