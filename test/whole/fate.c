/* These cases test which processes the stats signal kills, how exec and fork treat its handler, and whether malloc
 * still works after the signal has interrupted it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "pools.h"
#include "signals.h"

enum { CHILD_DEADLINE_SECONDS = 90 };

/* Sends the stats signal from this process to itself. The program has no handler, so the default action kills the
 * process. */
static void raise_it(void)
{
    raise(STATS);
}

static void kill_oneself(void)
{
    kill(getpid(), STATS);
}

static void kill_own_thread(void)
{
    pthread_kill(pthread_self(), STATS);
}

static void raise_with_default_set_again(void)
{
    signal(STATS, count);
    signal(STATS, SIG_DFL);
    raise(STATS);
}

static void raise_after_reset(void)
{
    set(count, (int)SA_RESETHAND);
    raise(STATS);
    CHECK_EQUAL(calls, 1);
    raise(STATS);
}

static void *raise_in_thread(void *unused)
{
    raise(STATS);
    return unused;
}

static void raise_in_another_thread(void)
{
    check_in_thread(raise_in_thread, NULL);
}

CASE(own_signal_kills)
{
    void (*const ways[])(void) = {raise_it,          kill_oneself,
                                  kill_own_thread,   raise_with_default_set_again,
                                  raise_after_reset, raise_in_another_thread};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        outside_check_killed(ways[i], STATS);
    }
}

CASE(own_signal_runs_the_handler)
{
    signal(STATS, count);
    CHECK_EQUAL(raise(STATS), 0);
    CHECK_EQUAL(calls, 1);
}

/* Sends this process a signal that the library leaves alone. Its default action kills the process. */
static void raise_other(void)
{
    raise(OTHER);
}

CASE(other_signals_are_left_alone)
{
    signal(OTHER, count);
    outside_send(OTHER);
    CHECK_EQUAL(calls, 1);
    signal(OTHER, SIG_DFL);
    outside_check_killed(raise_other, OTHER);
}

/* The runner sets SOCKMALLOC_SIGNAL to another signal or to `off`, so SIGUSR1 does not request statistics and has its
 * ordinary effects. */
CASE(stats_signal_is_ordinary)
{
    outside_check_killed(raise_it, STATS);
    signal(STATS, count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
    CHECK(asked(STATS) == count);
}

static void exec_case(const char *name, const char *argument)
{
    char *arguments[] = {(char *)(uintptr_t) "fate", (char *)(uintptr_t)name, (char *)(uintptr_t)argument, NULL};
    CHECK_EQUAL(execv("/proc/self/exe", arguments), 0); /* execv returns only if it fails */
}

/* exec resets the program's handler. In the new program the library's own handler is in force again: the signal makes
 * it write statistics. */
CASE(exec_drops_the_handler)
{
    if (check_arguments[0] == NULL) {
        signal(STATS, count);
        exec_case("exec_drops_the_handler", "again");
    }
    CHECK(asked(STATS) == SIG_DFL);
    outside_send(STATS);
}

/* A signal that is ignored stays ignored after exec, as nohup requires, until the new program sets a handler. */
CASE(ignored_over_exec)
{
    if (check_arguments[0] == NULL) {
        signal(STATS, SIG_IGN);
        exec_case("ignored_over_exec", "again");
    }
    CHECK(asked(STATS) == SIG_IGN);
    outside_send(STATS);
    CHECK(signal(STATS, count) == SIG_IGN);
    outside_send(STATS); /* of all signals that this case sends, only this one makes the library write statistics */
    CHECK_EQUAL(calls, 1);
}

/* In the child of a fork, too, the stats signal makes the library write statistics, which are those of the child. */
CASE(child_of_a_fork)
{
    signal(STATS, count);
    if (check_is_child()) {
        outside_send(STATS);
        CHECK_EQUAL(calls, 1);
        _exit(EXIT_SUCCESS);
    }
    CHECK_EQUAL(calls, 0);
}

/*
 * A fork child has no handler of its own for the stats signal. If an unrelated process sends the signal, the library
 * writes the child's statistics. If the child's parent sends it, the default action ends the child, because redis ends
 * its snapshot child in this way.
 */
CASE(parent_ends_a_child_without_a_handler)
{
    int ready[2];
    char byte;
    int status;
    CHECK_EQUAL(pipe(ready), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(CHILD_DEADLINE_SECONDS);
        outside_send(STATS);
        CHECK_EQUAL(write(ready[1], "x", 1), 1);
        for (;;) {
            pause();
        }
    }
    CHECK_EQUAL(read(ready[0], &byte, 1), 1);
    CHECK_EQUAL(kill(child, STATS), 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQUAL(WTERMSIG(status), STATS);
}

/* Signals interrupt malloc and free at random places. The library writes statistics at each signal, and the pools stay
 * intact. */
enum { ROUNDS = 40, HELD = 16 };
static int answers[2];

static void answer(int signal_number)
{
    count(signal_number);
    CHECK_EQUAL(write(answers[1], "x", 1), 1);
}

static void send_and_await_answers(pid_t target)
{
    char byte;
    for (int i = 0; i < ROUNDS; i++) {
        outside_kill(target, STATS);
        CHECK_EQUAL(read(answers[0], &byte, 1), 1);
    }
    _exit(EXIT_SUCCESS);
}

CASE(while_busy)
{
    char *held[HELD] = {NULL};
    pid_t target = getpid();
    CHECK_EQUAL(pipe(answers), 0);
    set(answer, SA_RESTART);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        send_and_await_answers(target);
    }
    for (unsigned i = 0; calls < ROUNDS; i++) {
        char **place = &held[i * 7 % HELD];
        free(*place);
        *place = malloc(pools_largest(i % POOLS_BUCKETS));
        CHECK(pools_own(*place));
        (*place)[0] = 1;
    }
    for (int i = 0; i < HELD; i++) {
        free(held[i]);
    }
    check_wait(child);
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}
