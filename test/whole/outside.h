/* Sends signals from another process, and returns when they have been handled. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OUTSIDE_H
#define SOCKMALLOC_TEST_OUTSIDE_H

#include <sys/types.h>

/* Sends the signal to this process from a child that runs another program, and returns the child's process id. When the
 * call returns, a process of one thread has handled the signal, unless that process blocks the signal. */
pid_t outside_send(int signal_number);

/* Sends the signal to any process in the way in which outside_send sends it to its caller. When the call returns, the
 * target may not have handled the signal yet. */
pid_t outside_kill(pid_t target, int signal_number);

/*
 * Starts a child that sends the signal to this process as soon as this process sleeps in a system call. The child then
 * waits until this process sleeps again, and writes a byte to `descriptor`, unless that is -1. The caller waits for the
 * child by check_wait.
 */
pid_t outside_send_to_sleeper(int signal_number, int descriptor);

/* Returns when the process or thread of that id sleeps in a system call. */
void outside_await_sleep(pid_t process);

/* Runs the function `run` in a child, and checks that the signal kills the child. */
void outside_check_killed(void (*run)(void), int signal_number);

#endif
