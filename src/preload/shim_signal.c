/* Replaces sigaction and the older calls that set a signal's handler. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "preload/handler.h"

/*
 * All of these functions set actions by handler_set and not by libc's functions of the same names. For the stats signal
 * (which makes the library write statistics) the library's handler stays in the kernel. For every other signal they do
 * what libc's functions do. <signal.h> declares some of these names only under conditions and redirects others, so they
 * are declared here by their symbol names.
 */
typedef void handler(int);

static bool signal_is_valid(int signal_number)
{
    return signal_number >= 1 && signal_number < NSIG;
}

static handler *set_handler(int signal_number, handler *wanted, bool masks_itself, int flags)
{
    struct sigaction action = {.sa_handler = wanted, .sa_flags = flags};
    struct sigaction former;
    if (wanted == SIG_ERR || !signal_is_valid(signal_number)) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&action.sa_mask);
    if (masks_itself) {
        sigaddset(&action.sa_mask, signal_number);
    }
    return handler_set(signal_number, &action, &former) == 0 ? former.sa_handler : SIG_ERR;
}

EXPORTED int sigaction(int signal_number, const struct sigaction *restrict wanted, struct sigaction *restrict former)
{
    return handler_set(signal_number, wanted, former);
}

/* signal has BSD semantics: the handler stays set after a signal, and system calls are restarted unless siginterrupt
 * has said otherwise. */
handler *bsd_set(int signal_number, handler *wanted) __asm__("signal");
EXPORTED handler *bsd_set(int signal_number, handler *wanted)
{
    bool interrupts = signal_is_valid(signal_number) && handler_interrupts(signal_number);
    return set_handler(signal_number, wanted, true, interrupts ? 0 : SA_RESTART);
}

/* __sysv_signal has System V semantics: the handler is removed after one signal, and system calls are interrupted. */
handler *sysv_set(int signal_number, handler *wanted) __asm__("__sysv_signal");
EXPORTED handler *sysv_set(int signal_number, handler *wanted)
{
    return set_handler(signal_number, wanted, false, (int)(SA_RESETHAND | SA_NODEFER));
}

EXPORTED handler *bsd_signal_name(int, handler *) __asm__("bsd_signal") __attribute__((alias("signal")));
EXPORTED handler *ssignal_name(int, handler *) __asm__("ssignal") __attribute__((alias("signal")));
EXPORTED handler *sysv_signal_name(int, handler *) __asm__("sysv_signal") __attribute__((alias("__sysv_signal")));

/* System V's sigset: sets a handler and unblocks the signal, or only blocks the signal if the handler is SIG_HOLD. */
handler *sigset_name(int signal_number, handler *wanted) __asm__("sigset");
EXPORTED handler *sigset_name(int signal_number, handler *wanted)
{
    handler *const hold = (handler *)2; /* SIG_HOLD; <signal.h> declares it only for X/Open programs */
    sigset_t this_one;
    sigset_t former_mask;
    struct sigaction former;
    sigemptyset(&this_one);
    if (wanted == SIG_ERR || sigaddset(&this_one, signal_number) != 0) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (wanted == hold) {
        if (handler_set(signal_number, NULL, &former) != 0) {
            return SIG_ERR;
        }
    } else {
        former.sa_handler = set_handler(signal_number, wanted, false, 0);
        if (former.sa_handler == SIG_ERR) {
            return SIG_ERR;
        }
    }
    sigprocmask(wanted == hold ? SIG_BLOCK : SIG_UNBLOCK, &this_one, &former_mask);
    return sigismember(&former_mask, signal_number) ? hold : former.sa_handler;
}

int ignore_set(int signal_number) __asm__("sigignore");
EXPORTED int ignore_set(int signal_number)
{
    return set_handler(signal_number, SIG_IGN, false, 0) == SIG_ERR ? -1 : 0;
}

/*
 * Sets whether a signal interrupts system calls or lets them be restarted, for the present handler and for later ones.
 */
int interrupt_set(int signal_number, int interrupts) __asm__("siginterrupt");
EXPORTED int interrupt_set(int signal_number, int interrupts)
{
    struct sigaction action;
    if (!signal_is_valid(signal_number) || handler_set(signal_number, NULL, &action) != 0) {
        errno = EINVAL;
        return -1;
    }
    handler_set_interrupts(signal_number, interrupts != 0);
    if (interrupts) {
        action.sa_flags &= ~SA_RESTART;
    } else {
        action.sa_flags |= SA_RESTART;
    }
    return handler_set(signal_number, &action, NULL);
}
