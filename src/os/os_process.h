/* System calls for the process, its threads and signals. None of them is a cancellation point or changes errno. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OS_PROCESS_H
#define SOCKMALLOC_OS_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * Every function is safe in any thread and in signal handlers, and keeps errno, because the caller decides which error
 * the program sees. A failure is reported by the return value; no function ends the process.
 */

/* os_process returns the id of the process, os_parent that of its parent, and os_user the id of the effective user. */
pid_t os_process(void);
pid_t os_parent(void);
uid_t os_user(void);

/* Stores which signals are pending for the calling thread. */
void os_pending_signals(sigset_t *signals);

/*
 * os_block_signals blocks signals for the calling thread and stores the former mask, which os_restore_signals sets
 * again.
 */
void os_block_signals(const sigset_t *signals, sigset_t *former);
void os_restore_signals(const sigset_t *former);

/* Removes one of these signals if one is pending, so that no handler runs for it. The function does not wait. */
void os_take_signal(const sigset_t *signals);

/*
 * os_wait waits while `word` is `value`, for `nanoseconds` at most, or without a limit if `nanoseconds` is UINT64_MAX.
 * It may return early, so the caller must check the word again. os_wake wakes all threads that wait for the word, and
 * os_wake_one wakes one of them. These functions are no cancellation points.
 */
void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds);
void os_wake(_Atomic uint32_t *word);
void os_wake_one(_Atomic uint32_t *word);

/*
 * os_wait_shared waits while `word`, which may lie in memory that several processes share, is `value`. `deadline` is an
 * absolute time of CLOCK_MONOTONIC, or NULL for no limit. Returns 0 if the thread was woken or `word` has another value
 * already. Otherwise returns the number of the error: ETIMEDOUT, EINTR if a signal handler ran, or another one if the
 * kernel or a sandbox refuses the call. os_wake_shared wakes the threads of all processes that wait for the word.
 */
int os_wait_shared(_Atomic uint32_t *word, uint32_t value, const struct timespec *deadline);
void os_wake_shared(_Atomic uint32_t *word);

/*
 * Sets the name of the calling thread that `top` and `ps -L` show; 15 characters at most. Does nothing if the process
 * has a seccomp filter.
 */
void os_name_thread(const char *name);

/*
 * Returns the kernel's number (TID) of the calling thread, without a system call. In the child of a fork this is the
 * id of the process, because the child has one thread.
 */
pid_t os_thread(void);

/*
 * Returns how many bytes of memory the process may map, used or not: the least of RLIMIT_DATA, RLIMIT_AS and, under
 * vm.overcommit_memory=2, the CommitLimit of the kernel. Returns SIZE_MAX if there is no limit. Reads /proc. The
 * library calls it at start-up.
 */
size_t os_charge_limit(void);

/*
 * Returns a soft limit of the process, for example RLIMIT_STACK, in the limit's own unit. Returns SIZE_MAX if there
 * is no limit.
 */
size_t os_limit(int resource);

/*
 * Returns true if the process may have had more than one thread. The result is always true with a libc that does not
 * have glibc's flag __libc_single_threaded.
 */
bool os_has_threads(void);

#endif
