/* Divides a wait for events or connections into pieces, between which free memory is purged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLEEP_H
#define SOCKMALLOC_SLEEP_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

#include "pool/pool_sleep.h"

/*
 * While there is free memory that is to be given back later, a wrapped call sleeps in pieces. The first piece ends when
 * the memory is due to be given back (pool_sleep_limit). Then a step gives memory back, and the call looks for events
 * without waiting, until no further step is due. The last piece sleeps for the rest of the time. For the program, each
 * call behaves as libc's call does:
 *
 * - Signals. All signals are blocked between the pieces, and each piece waits with the caller's own mask, as ppoll
 *   does. So a signal that arrives during a step stays pending until the next piece begins. Its handler runs then, and
 *   that piece ends with EINTR. Signals that a fault raises stay unblocked, and so do libc's own two, because
 *   pthread_sigmask does not block these.
 * - Timeouts. The pieces add up to the caller's timeout, without a reading of the clock. The steps take time beyond it,
 *   so no wait is shorter than the caller's timeout.
 * - Cancellation. Each piece waits in libc's own call, which is a cancellation point. A thread that is cancelled there
 *   is unwound through this file, which restores the thread's signal mask.
 * - Arguments that libc refuses, and timeouts of zero, go to libc unchanged.
 *
 * poll, ppoll, select, pselect and accept may be called in signal handlers, so libc's functions are looked up at start,
 * and the library waits for no lock. A seccomp filter may forbid the library to change the signal mask. So behind a
 * filter, one step is made at the beginning of a call, and libc's call does the rest. The child of vfork has its
 * parent's memory, and its parent's thread sleeps until the child is gone. So the child may do here what its parent
 * would do.
 */
#define SLEEP_FUNCTIONS(ROW)                                                                                           \
    ROW(epoll_wait, int (*)(int, struct epoll_event *, int, int))                                                      \
    ROW(epoll_pwait, int (*)(int, struct epoll_event *, int, int, const sigset_t *))                                   \
    ROW(epoll_pwait2, int (*)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *))              \
    ROW(poll, int (*)(struct pollfd *, nfds_t, int))                                                                   \
    ROW(ppoll, int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))                            \
    ROW(__poll_chk, int (*)(struct pollfd *, nfds_t, int, size_t))                                                     \
    ROW(__ppoll_chk, int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t))              \
    ROW(select, int (*)(int, fd_set *, fd_set *, fd_set *, struct timeval *))                                          \
    ROW(pselect, int (*)(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))                \
    ROW(accept, int (*)(int, struct sockaddr *, socklen_t *))                                                          \
    ROW(accept4, int (*)(int, struct sockaddr *, socklen_t *, int))

enum sleep_function {
#define SLEEP_NAME(name, type) SLEEP_##name,
    SLEEP_FUNCTIONS(SLEEP_NAME)
#undef SLEEP_NAME
        SLEEP_COUNT
};

#define SLEEP_TYPE(name, type) typedef __typeof__((type)NULL) sleep_##name##_function;
SLEEP_FUNCTIONS(SLEEP_TYPE)
#undef SLEEP_TYPE

/* Returns the address of libc's own function, or NULL if libc has no such function. */
void *sleep_find(enum sleep_function function);

/* NEXT(name) is the address of libc's own function of this name, or NULL. */
#define NEXT(name) ((sleep_##name##_function)sleep_find(SLEEP_##name))

/* Returns -1 with errno set to ENOSYS, for a function that libc does not have. */
int sleep_lacks(void);

/* Nanoseconds. */
enum { SLEEP_MILLISECOND = 1000000, SLEEP_SECOND = 1000000000 };

/* Converts a timeout to nanoseconds. Returns POOL_SLEEP_NEVER for a timeout that has no end. */
uint64_t sleep_of_milliseconds(int milliseconds);

/* Converts a timeout to nanoseconds. Returns POOL_SLEEP_NEVER for NULL and for a timeout of centuries, and 0 for a
 * timeout that the kernel refuses. */
uint64_t sleep_of_timespec(const struct timespec *limit);

/* Converts nanoseconds to a timeout in milliseconds, rounded up. Returns -1 for POOL_SLEEP_NEVER. */
int sleep_to_milliseconds(uint64_t limit);

/* Converts `limit` nanoseconds to a timeout, stores it in `room`, and returns `room`. Returns NULL for
 * POOL_SLEEP_NEVER, a timeout without an end. */
struct timespec *sleep_to_timespec(uint64_t limit, struct timespec *room);

/* A function that does one piece of a wait: it waits for at most `limit` nanoseconds, with the signal mask `mask`.
 * Returns what libc's function returns. */
typedef int sleep_piece(void *arguments, uint64_t limit, const sigset_t *mask);

/*
 * Waits for at most `limit` nanoseconds in pieces, and purges free memory between two of them. The first piece ends
 * after `wait` nanoseconds. `mask` is the signal mask that the program has passed to its call, or NULL. Returns the
 * result of the last piece.
 */
int sleep_in_pieces(sleep_piece *piece, void *arguments, uint64_t limit, uint64_t wait, const sigset_t *mask);

/*
 * Returns for how many nanoseconds a call that waits may sleep before memory should be given back. `limit` is the
 * timeout of the call, in nanoseconds. Returns POOL_SLEEP_NEVER if the call may sleep until its timeout; libc's call
 * then makes the whole wait. If `watches` is set, the call also checks from time to time for memory that other threads
 * have freed. Price if no memory is free: a check of each bucket.
 */
uint64_t sleep_before(uint64_t limit, bool watches);

#endif
