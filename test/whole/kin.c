/* In these cases the program, or one of its child processes, sends the program the stats signal many times. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "filter.h"
#include "outside.h"
#include "signals.h"

static int answers[2]; /* the parent makes the child end by this pipe */

static char tables_name[64];

/* Makes the library write statistics to a file in /tmp from now on. The library does so if descriptor 2 is no longer
 * the file that was stderr at the start of the process. */
static void begin_tables(void)
{
    snprintf(tables_name, sizeof tables_name, "/tmp/sockmalloc.%d", (int)getpid());
    unlink(tables_name); /* an earlier process with the same process id may have left the file */
    CHECK_EQUAL(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO), STDERR_FILENO);
    signal(STATS, count);
}

/* Returns how many bytes of statistics the library has written to the file so far. */
static off_t tables_written(void)
{
    struct stat status;
    return stat(tables_name, &status) == 0 ? status.st_size : 0;
}

static int64_t milliseconds(void)
{
    struct timespec now;
    CHECK_EQUAL(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* If the program sends the stats signal to itself, the library writes at most one table of statistics a second, but the
 * program's handler runs at each signal. */
CASE(own_signals_bring_a_table_a_second)
{
    enum { COARSE = 20 }; /* milliseconds by which the coarse clock, which the library reads, may be late */
    begin_tables();
    int64_t start = milliseconds();
    CHECK_EQUAL(raise(STATS), 0);
    off_t first = tables_written();
    CHECK(first > 0);
    CHECK_EQUAL(kill(getpid(), STATS), 0);
    /* true if this thread was suspended so long that the library was allowed to write a second table */
    bool late = milliseconds() - start >= 1000;
    int sent = 2;
    CHECK(late || tables_written() == first);
    while (tables_written() == first) {
        CHECK_EQUAL(kill(getpid(), STATS), 0);
        sent++;
    }
    CHECK(milliseconds() - start >= 1000 - COARSE);
    CHECK_EQUAL(calls, sent);
    CHECK_EQUAL(unlink(tables_name), 0);
}

/* A stats signal from the program's own timer counts as one that the program has sent to itself: the library writes at
 * most one table a second. */
CASE(timers_are_own_ones)
{
    const struct itimerspec soon = {.it_value.tv_nsec = 1, .it_interval.tv_nsec = 1000000};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = STATS};
    timer_t timer;
    begin_tables();
    int64_t start = milliseconds();
    CHECK_EQUAL(raise(STATS), 0);
    off_t first = tables_written();
    CHECK_EQUAL(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_EQUAL(timer_settime(timer, 0, &soon, NULL), 0);
    while (calls < 10) {
        sched_yield();
    }
    CHECK_EQUAL(timer_delete(timer), 0);
    CHECK(tables_written() == first || milliseconds() - start >= 1000);
    CHECK_EQUAL(unlink(tables_name), 0);
}

/* Forks a child that sends its parent the stats signal. The child lives until the signal has been handled: if it had
 * ended before, the library could not know that the sender was a child. */
static pid_t send_from_a_child(void)
{
    pid_t target = getpid();
    char byte;
    CHECK_EQUAL(pipe(answers), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQUAL(kill(target, STATS), 0);
        CHECK_EQUAL(read(answers[0], &byte, 1), 1);
        _exit(EXIT_SUCCESS);
    }
    while (calls < 2) {
        sched_yield();
    }
    CHECK_EQUAL(write(answers[1], "x", 1), 1);
    check_wait(child);
    return child;
}

/*
 * The stats signal from a child counts as the program's own. If such a signal comes less than one second after another
 * of the program's own signals, the library writes no table of statistics for it. A signal from an unrelated program
 * always brings a table.
 */
CASE(signals_of_a_child_are_own_ones)
{
    begin_tables();
    int64_t start = milliseconds();
    CHECK_EQUAL(raise(STATS), 0);
    off_t first = tables_written();
    send_from_a_child();
    off_t second = tables_written();
    CHECK(first > 0);
    CHECK(second == first || milliseconds() - start >= 1000);
    outside_send(STATS);
    CHECK(tables_written() > second);
    CHECK_EQUAL(calls, 3);
    CHECK_EQUAL(unlink(tables_name), 0);
}

/* If the program sends the stats signal to itself, the library opens no file, not even to find out whether it may write
 * a table. The seccomp filter of this case would kill the process if it opened one. */
CASE(own_signals_are_harmless_behind_a_filter)
{
    begin_tables();
    filter_forbid(SYS_openat); /* the library opens files by this call */
    CHECK_EQUAL(raise(STATS), 0);
    CHECK_EQUAL(calls, 1);
}

static void open_behind_the_filter(void)
{
    filter_forbid(SYS_openat);
    open("/dev/null", O_RDONLY | O_CLOEXEC);
}

CASE(the_filter_kills_for_opening)
{
    outside_check_killed(open_behind_the_filter, SIGSYS);
}
