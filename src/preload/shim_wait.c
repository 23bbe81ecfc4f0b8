/* Wraps the calls that wait for a signal and return it, such as sigwait. No handler runs for such a signal, so the
 * wrappers check if it is the stats signal, and write the statistics if it is. */
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
 * The wrappers let libc's own function wait, because the wait must be a cancellation point. They look that function up
 * at each call, because a thread that waits has time. POSIX does not allow signal handlers to call any of these
 * functions. If a signal was sent only for statistics, the call behaves as if a handler had run: it fails with EINTR,
 * but sigwait continues to wait.
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

/* sigwait returns an error number, and keeps errno. */
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
