/* The shim: the calls that wait for a signal, where no handler sees it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "base/attributes.h"
#include "pool/background.h"
#include "pool/pool.h"
#include "preload/handler.h"

/*
 * libc's own does the waiting, since it is a cancellation point; it is looked up for each call. No
 * handler may call any of these, by POSIX, and who waits for a signal has the time. A signal that
 * asked for statistics alone looks to the program like one whose handler ran meanwhile: EINTR, and
 * sigwait goes on.
 */
typedef int wait_function(const sigset_t *signals, siginfo_t *info, const struct timespec *limit);

static int wait_for(const sigset_t *signals, siginfo_t *info, const struct timespec *limit)
{
    pool_recover_due();
    background_offer();
    siginfo_t unwanted;
    siginfo_t *taken = info != NULL ? info : &unwanted;
    wait_function *next = (wait_function *)dlsym(RTLD_NEXT, "sigtimedwait");
    if (next == NULL) {
        errno = ENOSYS;
        return -1;
    }
    int signal_number = next(signals, taken, limit);
    if (signal_number > 0 && handler_take(signal_number, taken)) {
        errno = EINTR;
        return -1;
    }
    return signal_number;
}

EXPORTED int sigtimedwait(const sigset_t *restrict signals, siginfo_t *restrict info,
                          const struct timespec *restrict limit)
{
    return wait_for(signals, info, limit);
}

EXPORTED int sigwaitinfo(const sigset_t *restrict signals, siginfo_t *restrict info)
{
    return wait_for(signals, info, NULL);
}

/* It returns what is wrong, and keeps errno. */
EXPORTED int sigwait(const sigset_t *restrict signals, int *restrict signal_number)
{
    int kept = errno;
    int taken;
    int wrong;
    do {
        taken = wait_for(signals, NULL, NULL);
        wrong = taken < 0 ? errno : 0;
    } while (wrong == EINTR);
    errno = kept;
    if (wrong == 0) {
        *signal_number = taken;
    }
    return wrong;
}
