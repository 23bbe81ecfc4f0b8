/* Sends signals to a process from another process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { DEADLINE_SECONDS = 90 };

/* Sends the signal by the command kill of a shell. The child itself becomes that shell, so that the sender's process id
 * is the child's. */
static void send_by_shell(pid_t target, int signal_number)
{
    char command[64];
    snprintf(command, sizeof command, "kill -%d %d", signal_number, (int)target);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(EXIT_FAILURE);
}

pid_t outside_kill(pid_t target, int signal_number)
{
    pid_t sender = fork();
    CHECK(sender >= 0);
    if (sender == 0) {
        send_by_shell(target, signal_number);
    }
    check_wait(sender);
    return sender;
}

pid_t outside_send(int signal_number)
{
    return outside_kill(getpid(), signal_number);
}

/* Returns true if the process sleeps: then the letter after the name in parentheses in /proc/PID/stat is S. */
static bool sleeps(pid_t process)
{
    char name[64];
    char text[512];
    snprintf(name, sizeof name, "/proc/%d/stat", (int)process);
    int file = open(name, O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    ssize_t length = read(file, text, sizeof text - 1);
    CHECK(length > 0 && close(file) == 0);
    text[length] = '\0';
    const char *bracket = strrchr(text, ')');
    CHECK(bracket != NULL);
    return bracket[2] == 'S';
}

void outside_await_sleep(pid_t process)
{
    while (!sleeps(process)) {
        sched_yield();
    }
}

/*
 * kill wakes the sleeping process before kill returns, so if the process sleeps afterwards, it has gone to sleep again
 */
pid_t outside_send_to_sleeper(int signal_number, int descriptor)
{
    pid_t target = getpid();
    pid_t sender = fork();
    CHECK(sender >= 0);
    if (sender == 0) {
        alarm(DEADLINE_SECONDS);
        outside_await_sleep(target);
        outside_kill(target, signal_number);
        if (descriptor >= 0) {
            outside_await_sleep(target);
            CHECK_EQUAL(write(descriptor, "x", 1), 1);
        }
        _exit(EXIT_SUCCESS);
    }
    return sender;
}

void outside_check_killed(void (*run)(void), int signal_number)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(DEADLINE_SECONDS);
        run();
        _exit(EXIT_SUCCESS);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQUAL(WTERMSIG(status), signal_number);
}
