/* Signals that come from another process and have been dealt with when the call returns. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OUTSIDE_H
#define SOCKMALLOC_TEST_OUTSIDE_H

#include <sys/types.h>

/* Has a child that runs another program send the signal to this process, and returns the child's process id when both
 * have happened: the signal was sent, and unless it is blocked, whatever it does to a process of one thread is done. */
pid_t outside_send(int signal_number);

/* The same to any process, of which the signal may still be on its way to a handler. */
pid_t outside_kill(pid_t target, int signal_number);

/* Has a child send the signal as soon as this process sleeps in a system call and, unless `descriptor` is -1, write a
 * byte to that as soon as it sleeps again. The child is to be awaited by check_wait. */
pid_t outside_send_to_sleeper(int signal_number, int descriptor);

/* Returns when the process or thread of that id sleeps in a system call. */
void outside_await_sleep(pid_t process);

/* Runs `run` in a child, which the signal must kill. */
void outside_check_killed(void (*run)(void), int signal_number);

#endif
