/* Sends signals to a process from another process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OUTSIDE_H
#define SOCKMALLOC_TEST_OUTSIDE_H

#include <sys/types.h>

/*
 * Starts a child that runs another program, which sends the signal to this process, and returns the child's process id
 * after the child has ended. If this process has only one thread, which does not block the signal, the signal has then
 * been handled.
 */
pid_t outside_send(int signal_number);

/* Starts a child that becomes a shell and sends the signal to the process `target`. Returns the child's process id when
 * the child has ended. The target may not have handled the signal yet. */
pid_t outside_kill(pid_t target, int signal_number);

/*
 * Starts a child that sends the signal to this process as soon as this process sleeps in a system call. The child then
 * waits until this process sleeps again, and writes a byte to `descriptor`, unless `descriptor` is -1. Returns the
 * child's process id; the caller waits for the child by check_wait.
 */
pid_t outside_send_to_sleeper(int signal_number, int descriptor);

/* Returns when the process or thread with this id sleeps in a system call. */
void outside_await_sleep(pid_t process);

/* Runs the function `run` in a child, and checks that the signal `signal_number` kills the child. */
void outside_check_killed(void (*run)(void), int signal_number);

#endif
