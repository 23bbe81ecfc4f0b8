/* Code that the test programs of the stats signal share: a handler that counts its calls, and functions that set and
 * read a signal's disposition. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_SIGNALS_H
#define SOCKMALLOC_TEST_SIGNALS_H

#include <signal.h>

#include "check.h"

/* STATS is the signal that requests statistics, and OTHER is one that the library leaves alone. The runner checks how
 * many dumps of statistics each case writes to stderr. */
enum { STATS = SIGUSR1, OTHER = SIGUSR2 };

typedef void handler(int);
typedef handler *set_call(int signal_number, handler *wanted);

/* How often the signal handler `count` has run. */
static volatile sig_atomic_t calls __attribute__((unused));

static inline void count(int signal_number)
{
    (void)signal_number;
    calls++;
}

/* Sets `wanted` as the handler of the stats signal, with these flags and an empty mask. */
static inline void set(handler *wanted, int flags)
{
    struct sigaction action = {.sa_handler = wanted, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    CHECK_EQUAL(sigaction(STATS, &action, NULL), 0);
}

/* ask returns the disposition that sigaction returns for the signal; asked returns only the handler in it. */
static inline struct sigaction ask(int signal_number)
{
    struct sigaction action;
    __builtin_memset(&action, 0xee, sizeof action);
    CHECK_EQUAL(sigaction(signal_number, NULL, &action), 0);
    return action;
}

static inline handler *asked(int signal_number)
{
    return ask(signal_number).sa_handler;
}

/* Returns true if the calling thread blocks the signal. */
static inline bool is_blocked(int signal_number)
{
    sigset_t mask;
    CHECK_EQUAL(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
    return sigismember(&mask, signal_number) == 1;
}

#endif
