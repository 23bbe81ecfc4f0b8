/* These cases test that a child which shares its parent's memory (by vfork or clone) sets signal handlers of its own,
 * and leaves those of its parent unchanged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "signals.h"

enum { STACK_SIZE = 64 << 10 };

typedef int child_work(void *argument);

extern char **environ;
static void other_handler(int signal_number)
{
    (void)signal_number;
}

/* Runs `work` in a child that shares this process's memory, as a child of vfork does. The child has a stack of its own,
 * so that it cannot overwrite what the compiler keeps on this process's stack. */
static void borrow(child_work *work, void *argument)
{
    static _Alignas(16) char stack[STACK_SIZE];
    pid_t child = clone(work, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, argument);
    CHECK(child > 0);
    check_wait(child);
}

/*
 * Runs in a child that shares its parent's memory. Tests each function that sets a signal's disposition (its handler,
 * SIG_IGN or SIG_DFL) and returns the former one. The function must return the disposition that was in force in the
 * child. The two signals of this test are the stats signal, and OTHER, a signal that the library leaves to libc.
 */
static int set_by_each_call(void *unused)
{
    const char *const names[] = {"signal", "bsd_signal", "ssignal", "sysv_signal", "__sysv_signal", "sigset"};
    const int signals[] = {STATS, OTHER};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        set_call *call;
        *(void **)&call = check_find(names[i]);
        for (size_t s = 0; s < 2; s++) {
            handler *first = i == 0 ? count : SIG_DFL;
            CHECK(call(signals[s], other_handler) == first);
            CHECK(asked(signals[s]) == other_handler);
            CHECK(call(signals[s], SIG_IGN) == other_handler);
            CHECK(call(signals[s], SIG_DFL) == SIG_IGN);
        }
    }
    _exit(unused == NULL ? EXIT_SUCCESS : EXIT_FAILURE);
}

CASE(what_a_child_sets_is_its_own)
{
    signal(STATS, count);
    signal(OTHER, count);
    borrow(set_by_each_call, NULL);
    CHECK(asked(STATS) == count);
    CHECK(asked(OTHER) == count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

static int ignore_it(void *unused)
{
    int (*ignore)(int);
    *(void **)&ignore = check_find("sigignore");
    CHECK_EQUAL(ignore(STATS), 0);
    CHECK(asked(STATS) == SIG_IGN);
    _exit(unused == NULL ? EXIT_SUCCESS : EXIT_FAILURE);
}

CASE(ignored_by_a_child)
{
    signal(STATS, count);
    borrow(ignore_it, NULL);
    CHECK(asked(STATS) == count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

static __attribute__((noinline)) pid_t reset_and_exec(void)
{
    static char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    pid_t child = vfork();
    if (child == 0) {
        signal(STATS, SIG_DFL);
        execve("/bin/true", arguments, environ);
        _exit(EXIT_FAILURE);
    }
    return child;
}

CASE(reset_after_vfork)
{
    signal(STATS, count);
    check_wait(reset_and_exec());
    CHECK(asked(STATS) == count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

CASE(reset_by_posix_spawn)
{
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    posix_spawnattr_t attributes;
    sigset_t signals;
    pid_t child;
    signal(STATS, count);
    sigfillset(&signals);
    CHECK_EQUAL(posix_spawnattr_init(&attributes), 0);
    CHECK_EQUAL(posix_spawnattr_setsigdefault(&attributes, &signals), 0);
    CHECK_EQUAL(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF), 0);
    CHECK_EQUAL(posix_spawn(&child, "/bin/true", NULL, &attributes, arguments, environ), 0);
    CHECK_EQUAL(posix_spawnattr_destroy(&attributes), 0);
    check_wait(child);
    CHECK(asked(STATS) == count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

/* Runs in a child that shares its parent's memory. Makes another process send this child a signal whose handler has
 * SA_RESETHAND. The kernel then resets the handler of this child, and the parent keeps its own. */
static int be_signalled(void *unused)
{
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
    CHECK(asked(STATS) == SIG_DFL);
    _exit(unused == NULL ? EXIT_SUCCESS : EXIT_FAILURE);
}

CASE(handler_that_goes_in_a_child)
{
    set(count, (int)SA_RESETHAND);
    borrow(be_signalled, NULL);
    CHECK(asked(STATS) == count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 2);
    CHECK(asked(STATS) == SIG_DFL);
}

static int (*interrupt)(int, int);

static int interrupt_all(void *unused)
{
    CHECK_EQUAL(interrupt(STATS, 1), 0);
    CHECK_EQUAL(interrupt(OTHER, 1), 0);
    CHECK_EQUAL(ask(STATS).sa_flags & SA_RESTART, 0);
    CHECK_EQUAL(ask(OTHER).sa_flags & SA_RESTART, 0);
    _exit(unused == NULL ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* siginterrupt in a child that shares its parent's memory does not change the parent's handlers: neither those that the
 * parent has set, nor those that the parent sets later. */
CASE(interrupted_in_a_child)
{
    *(void **)&interrupt = check_find("siginterrupt");
    const int signals[] = {STATS, OTHER};
    signal(STATS, count);
    signal(OTHER, count);
    borrow(interrupt_all, NULL);
    for (int s = 0; s < 2; s++) {
        CHECK_EQUAL(ask(signals[s]).sa_flags & SA_RESTART, SA_RESTART);
        signal(signals[s], other_handler);
        CHECK_EQUAL(ask(signals[s]).sa_flags & SA_RESTART, SA_RESTART);
    }
}

/* In the child of a fork, which has memory of its own, siginterrupt changes the flag SA_RESTART of the handler that is
 * set now, and of the handlers that the function signal sets later. */
CASE(interrupted_after_a_fork)
{
    *(void **)&interrupt = check_find("siginterrupt");
    if (check_is_child()) {
        CHECK_EQUAL(interrupt(STATS, 1), 0);
        signal(STATS, count);
        CHECK_EQUAL(ask(STATS).sa_flags & SA_RESTART, 0);
        _exit(EXIT_SUCCESS);
    }
}
