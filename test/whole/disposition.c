/* These cases test that sigaction and its relatives return the handler that the program has set for the stats signal,
 * and not the library's own. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "signals.h"

/*
 * Most cases make the same calls for two signals: STATS, the stats signal, which the library handles, and OTHER, which
 * the library leaves to libc and the kernel. The results for both signals must be equal.
 */
enum { MARK = 1234 };

static void first_handler(int signal_number)
{
    (void)signal_number;
}

static void second_handler(int signal_number)
{
    (void)signal_number;
}

static void third_handler(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    (void)context;
}

/* The flags of sigaction that are compared. libc's own SA_RESTORER, which <signal.h> does not name, is left out. */
enum {
    VISIBLE_FLAGS = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | (int)SA_RESETHAND
};

/*
 * Checks that sigaction returns the same handler, flags and mask for both signals. In the masks, the two signals
 * themselves are compared differently: STATS must be in the mask for STATS exactly if OTHER is in the mask for OTHER.
 */
static void check_alike(void)
{
    struct sigaction stats = ask(STATS);
    struct sigaction other = ask(OTHER);
    CHECK(stats.sa_handler == other.sa_handler);
    CHECK_EQUAL(stats.sa_flags & VISIBLE_FLAGS, other.sa_flags & VISIBLE_FLAGS);
    CHECK_EQUAL(sigismember(&stats.sa_mask, STATS), sigismember(&other.sa_mask, OTHER));
    for (int i = 1; i < NSIG; i++) {
        if (i != STATS && i != OTHER) {
            CHECK_EQUAL(sigismember(&stats.sa_mask, i) == 1, sigismember(&other.sa_mask, i) == 1);
        }
    }
}

CASE(default_at_start)
{
    CHECK(ask(STATS).sa_handler == SIG_DFL);
    check_alike();
}

CASE(sigaction_is_remembered)
{
    struct sigaction wishes[] = {
        {.sa_handler = first_handler, .sa_flags = 0},
        {.sa_handler = second_handler, .sa_flags = SA_RESTART | SA_NODEFER},
        {.sa_handler = first_handler, .sa_flags = (int)SA_RESETHAND | SA_ONSTACK},
        {.sa_sigaction = third_handler, .sa_flags = SA_SIGINFO},
        {.sa_handler = SIG_IGN, .sa_flags = SA_RESTART},
        {.sa_handler = SIG_DFL, .sa_flags = SA_NODEFER},
        {.sa_handler = first_handler, .sa_flags = SA_RESTART},
    };
    const int signals[] = {STATS, OTHER};
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        sigemptyset(&wishes[i].sa_mask);
        sigaddset(&wishes[i].sa_mask, SIGTERM);
        sigaddset(&wishes[i].sa_mask, SIGRTMIN + (int)i);
        for (int s = 0; s < 2; s++) {
            struct sigaction before = ask(signals[s]);
            struct sigaction former;
            CHECK_EQUAL(sigaction(signals[s], &wishes[i], &former), 0);
            CHECK(former.sa_handler == before.sa_handler);
            CHECK_EQUAL(former.sa_flags & VISIBLE_FLAGS, before.sa_flags & VISIBLE_FLAGS);
            struct sigaction now = ask(signals[s]);
            CHECK(now.sa_handler == wishes[i].sa_handler);
            CHECK_EQUAL(now.sa_flags & VISIBLE_FLAGS, wishes[i].sa_flags);
            CHECK_EQUAL(sigismember(&now.sa_mask, SIGTERM), 1);
            CHECK_EQUAL(sigismember(&now.sa_mask, SIGRTMIN + (int)i), 1);
            CHECK_EQUAL(sigismember(&now.sa_mask, SIGHUP), 0);
        }
        check_alike();
    }
}

/* A program may pass the same object to sigaction for the new and the old disposition. sigaction must then read the new
 * disposition before it stores the old one in the object. */
CASE(one_object_for_both)
{
    const int signals[] = {STATS, OTHER};
    for (int s = 0; s < 2; s++) {
        struct sigaction action = {.sa_handler = first_handler, .sa_flags = SA_RESTART};
        CHECK_EQUAL(sigaction(signals[s], &action, check_hide(&action)), 0);
        CHECK(action.sa_handler == SIG_DFL);
        CHECK(ask(signals[s]).sa_handler == first_handler);
    }
    check_alike();
}

/* The function signal, its aliases, and the functions of System V and X/Open must return what libc's own functions
 * return. */
CASE(older_calls)
{
    const char *const names[] = {"signal", "bsd_signal", "ssignal", "sysv_signal", "__sysv_signal", "sigset"};
    handler *const wishes[] = {first_handler, second_handler, SIG_IGN, first_handler, SIG_DFL};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        set_call *call;
        *(void **)&call = check_find(names[i]);
        for (size_t wish = 0; wish < sizeof wishes / sizeof wishes[0]; wish++) {
            handler *before = ask(STATS).sa_handler;
            CHECK(call(STATS, wishes[wish]) == before);
            CHECK(call(OTHER, wishes[wish]) == before);
            CHECK(ask(STATS).sa_handler == wishes[wish]);
            check_alike();
        }
    }
}

CASE(flags_of_older_calls)
{
    set_call *sysv;
    *(void **)&sysv = check_find("sysv_signal");
    signal(STATS, first_handler);
    CHECK_EQUAL(ask(STATS).sa_flags & VISIBLE_FLAGS, SA_RESTART);
    sysv(STATS, first_handler);
    CHECK_EQUAL(ask(STATS).sa_flags & VISIBLE_FLAGS, SA_NODEFER | (int)SA_RESETHAND);
}

/* sigset with SIG_HOLD blocks the signal and keeps its handler. The next call of sigset returns SIG_HOLD and unblocks
 * the signal. */
CASE(held_by_sigset)
{
    set_call *call;
    handler *const hold = (handler *)2;
    const int signals[] = {STATS, OTHER};
    *(void **)&call = check_find("sigset");
    for (int s = 0; s < 2; s++) {
        CHECK(call(signals[s], first_handler) == SIG_DFL);
        CHECK(!is_blocked(signals[s]));
        CHECK(call(signals[s], hold) == first_handler);
        CHECK(is_blocked(signals[s]));
        CHECK(call(signals[s], hold) == hold);
        CHECK(call(signals[s], second_handler) == hold);
        CHECK(!is_blocked(signals[s]));
        CHECK(ask(signals[s]).sa_handler == second_handler);
    }
    check_alike();
}

CASE(ignored_by_sigignore)
{
    int (*ignore)(int);
    *(void **)&ignore = check_find("sigignore");
    CHECK_EQUAL(ignore(STATS), 0);
    CHECK_EQUAL(ignore(OTHER), 0);
    CHECK(ask(STATS).sa_handler == SIG_IGN);
    check_alike();
    errno = 0;
    CHECK_EQUAL(ignore(SIGKILL), (uint64_t)-1);
    CHECK_EQUAL(errno, EINVAL);
}

/* siginterrupt changes the SA_RESTART flag of the handler that is set now, and of the handlers that signal(3) sets
 * later. */
CASE(interrupting)
{
    int (*interrupt)(int, int);
    *(void **)&interrupt = check_find("siginterrupt");
    const int signals[] = {STATS, OTHER};
    for (int s = 0; s < 2; s++) {
        signal(signals[s], first_handler);
        CHECK_EQUAL(interrupt(signals[s], 1), 0);
        CHECK_EQUAL(ask(signals[s]).sa_flags & SA_RESTART, 0);
        signal(signals[s], second_handler);
        CHECK_EQUAL(ask(signals[s]).sa_flags & SA_RESTART, 0);
        CHECK_EQUAL(interrupt(signals[s], 0), 0);
        CHECK(ask(signals[s]).sa_handler == second_handler);
        CHECK_EQUAL(ask(signals[s]).sa_flags & SA_RESTART, SA_RESTART);
        signal(signals[s], first_handler);
        CHECK_EQUAL(ask(signals[s]).sa_flags & SA_RESTART, SA_RESTART);
    }
    check_alike();
    errno = 0;
    CHECK_EQUAL(interrupt(0, 1), (uint64_t)-1);
    CHECK_EQUAL(errno, EINVAL);
}

CASE(bad_arguments)
{
    const int bad[] = {0, -1, NSIG, NSIG + 100, SIGKILL, SIGSTOP};
    struct sigaction action = {.sa_handler = first_handler};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        CHECK_EQUAL(sigaction(bad[i], &action, NULL), (uint64_t)-1);
        CHECK_EQUAL(errno, EINVAL);
        errno = 0;
        CHECK(signal(bad[i], first_handler) == SIG_ERR);
        CHECK_EQUAL(errno, EINVAL);
        set_call *call;
        *(void **)&call = check_find("sysv_signal");
        CHECK(call(bad[i], first_handler) == SIG_ERR);
        *(void **)&call = check_find("sigset");
        errno = 0;
        CHECK(call(bad[i], first_handler) == SIG_ERR);
        CHECK_EQUAL(errno, EINVAL);
    }
    errno = 0;
    CHECK(signal(STATS, SIG_ERR) == SIG_ERR);
    CHECK_EQUAL(errno, EINVAL);
    CHECK(ask(STATS).sa_handler == SIG_DFL);
}

CASE(errno_is_kept)
{
    struct sigaction action = {.sa_handler = first_handler};
    errno = MARK;
    CHECK_EQUAL(sigaction(STATS, &action, NULL), 0);
    signal(STATS, SIG_IGN);
    signal(STATS, SIG_DFL);
    CHECK_EQUAL(errno, MARK);
}

/* Sets handlers more often than the library has records to store them in, so that the library must use its records
 * again. */
CASE(set_again_and_again)
{
    handler *former = SIG_DFL;
    for (int i = 0; i < 10000; i++) {
        handler *wish = i % 2 == 0 ? first_handler : second_handler;
        CHECK(signal(STATS, wish) == former);
        former = wish;
    }
}

/* Sets a thousand dispositions with different masks, and checks that sigaction returns the previous one each time. */
CASE(set_in_many_ways)
{
    struct sigaction former = ask(STATS);
    for (int i = 0; i < 1000; i++) {
        struct sigaction action = {.sa_handler = i % 2 == 0 ? first_handler : second_handler};
        struct sigaction told;
        sigemptyset(&action.sa_mask);
        for (int bit = 0; bit < 10; bit++) {
            if ((i >> bit & 1) != 0) {
                sigaddset(&action.sa_mask, SIGRTMIN + bit);
            }
        }
        CHECK_EQUAL(sigaction(STATS, &action, &told), 0);
        CHECK(told.sa_handler == former.sa_handler);
        CHECK_EQUAL(memcmp(&told.sa_mask, &former.sa_mask, sizeof(uint64_t)), 0);
        former = action;
    }
}

/* The kernel must ignore the stats signal if the program has set SIG_IGN, and only then, because a program that is
 * executed by exec inherits what the kernel ignores. */
CASE(kernel_knows_what_is_ignored)
{
    for (int i = 0; i < 3; i++) {
        signal(STATS, i % 2 == 0 ? SIG_IGN : first_handler);
        char line[256];
        unsigned long ignored = 0;
        bool found = false;
        FILE *status = fopen("/proc/self/status", "re");
        CHECK(status != NULL);
        while (fgets(line, sizeof line, status) != NULL) {
            found = found || sscanf(line, "SigIgn: %lx", &ignored) == 1;
        }
        CHECK(found && fclose(status) == 0);
        CHECK_EQUAL((ignored >> (STATS - 1)) & 1, i % 2 == 0);
    }
}
