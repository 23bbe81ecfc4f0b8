/* Sleeps while a comparison runs, and notices the signals that shall end the comparison. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_wait.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "command/command.h"

static sigset_t ends;
static int received; /* the signal that came, or 0 */

static void add_unless_ignored(int number)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
        sigaddset(&ends, number);
    }
}

void compare_wait_open(void)
{
    sigemptyset(&ends);
    add_unless_ignored(SIGINT);
    add_unless_ignored(SIGTERM);
    add_unless_ignored(SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
}

bool compare_wait(double seconds)
{
    struct timespec time = command_time(seconds > 0 ? seconds : 0);
    int number = received != 0 ? received : sigtimedwait(&ends, NULL, &time);
    received = number > 0 ? number : 0;
    return received == 0;
}

bool compare_is_stopped(void)
{
    return !compare_wait(0);
}

void compare_end_by_signal(void)
{
    signal(received, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &ends, NULL);
    raise(received);
    abort(); /* not reached: the default action of each of these signals ends the process */
}
