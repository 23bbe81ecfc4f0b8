/* Wraps the calls in which an idle server waits for events or connections. Free memory is purged there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

#include "base/attributes.h"
#include "os/listener.h"
#include "os/os.h"
#include "os/sandbox.h"
#include "os/system_call.h"
#include "pool/background.h"
#include "pool/pool.h"
#include "pool/pool_sleep.h"
#include "preload/handler.h"

/*
 * While free memory is not yet due to be given back, a call here sleeps in pieces. The first piece ends when memory is
 * due (pool_sleep_limit). Then a step gives memory back, and the call looks for events without waiting, until no
 * further step is due. The last piece sleeps for the rest of the time. For the program, each call behaves as libc's
 * call does:
 *
 * - Signals. All are blocked while the call is in pieces, and each piece waits with the caller's own mask, as ppoll
 *   does. So a signal that arrives during a step is pending, its handler runs as the next piece begins, and that
 *   piece ends with EINTR. Signals that a fault raises stay unblocked, and libc's own two as well (pthread_sigmask
 *   sees to that).
 * - Timeouts. The pieces add up to the caller's timeout, without a reading of the clock; the steps come on top, so that
 *   no wait is shorter than it was asked to be.
 * - Cancellation. libc's own call does the waiting, and is a cancellation point. A thread that ends in it is unwound
 *   through this file, which restores its signal mask.
 * - Arguments that libc refuses, and timeouts of zero, go to libc unchanged.
 *
 * poll, ppoll, select, pselect and accept may be called in signal handlers, so libc's functions are looked up at start,
 * and no lock is waited for. Behind a seccomp filter it is not certain that the mask can be changed. One step is then
 * made at the beginning of a call, and libc's call does the rest. The child of vfork has its parent's memory, and its
 * parent's thread sleeps until the child is gone, so the child may do here what its parent would do.
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

static const char *const sleep_names[SLEEP_COUNT] = {
#define SLEEP_TEXT(name, type) #name,
    SLEEP_FUNCTIONS(SLEEP_TEXT)
#undef SLEEP_TEXT
};

#define SLEEP_TYPE(name, type) typedef __typeof__((type)NULL) sleep_##name##_function;
SLEEP_FUNCTIONS(SLEEP_TYPE)
#undef SLEEP_TYPE

static _Atomic(void *) sleep_found[SLEEP_COUNT];

static void *sleep_find(enum sleep_function function)
{
    void *found = atomic_load_explicit(&sleep_found[function], memory_order_relaxed);
    if (UNLIKELY(found == NULL)) {
        found = dlsym(RTLD_NEXT, sleep_names[function]);
        atomic_store_explicit(&sleep_found[function], found, memory_order_relaxed);
    }
    return found;
}

/* NEXT(name) is libc's own function of that name, or NULL. */
#define NEXT(name) ((sleep_##name##_function)sleep_find(SLEEP_##name))

__attribute__((constructor)) static void sleep_find_all(void)
{
    for (unsigned function = 0; function < SLEEP_COUNT; function++) {
        sleep_find((enum sleep_function)function);
    }
}

static int sleep_lacks(void)
{
    errno = ENOSYS;
    return -1;
}

/* --- time ------------------------------------------------------------------------------ */

static const uint64_t second = 1000000000;
static const uint64_t millisecond = 1000000;

/* Converts a timeout to nanoseconds. Returns POOL_SLEEP_NEVER for a timeout that has no end. */
static uint64_t sleep_of_milliseconds(int milliseconds)
{
    return milliseconds < 0 ? POOL_SLEEP_NEVER : (uint64_t)milliseconds * millisecond;
}

/* Converts a timeout to nanoseconds. Returns POOL_SLEEP_NEVER for NULL and for more than centuries, and 0 for a timeout
 * that the kernel refuses. */
static uint64_t sleep_of_timespec(const struct timespec *limit)
{
    if (limit == NULL || limit->tv_sec > (time_t)(UINT64_MAX / 2 / second)) {
        return POOL_SLEEP_NEVER;
    }
    bool valid = limit->tv_sec >= 0 && limit->tv_nsec >= 0 && (uint64_t)limit->tv_nsec < second;
    return valid ? (uint64_t)limit->tv_sec * second + (uint64_t)limit->tv_nsec : 0;
}

static int sleep_to_milliseconds(uint64_t limit)
{
    uint64_t rounded = limit / millisecond + (limit % millisecond != 0 ? 1 : 0);
    return limit == POOL_SLEEP_NEVER ? -1 : rounded < INT_MAX ? (int)rounded : INT_MAX;
}

/* Writes the timeout into `room` and returns `room`. Returns NULL for a timeout that has no end. */
static struct timespec *sleep_to_timespec(uint64_t limit, struct timespec *room)
{
    *room = (struct timespec){(time_t)(limit / second), (long)(limit % second)};
    return limit == POOL_SLEEP_NEVER ? NULL : room;
}

/* --- pieces ---------------------------------------------------------------------------- */

/* Makes one piece of a wait: waits for at most `limit` nanoseconds, with the signal mask `mask`. Returns what libc's
 * function returns. */
typedef int sleep_piece(void *arguments, uint64_t limit, const sigset_t *mask);

static void sleep_block(sigset_t *former)
{
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&all, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, former);
}

static void sleep_unblock(void *former)
{
    int kept = errno;
    pthread_sigmask(SIG_SETMASK, former, NULL);
    errno = kept;
}

/* Rounds a wait up to whole milliseconds, because epoll_wait counts in milliseconds. */
static uint64_t sleep_round(uint64_t wait)
{
    return wait == POOL_SLEEP_NEVER ? wait : (wait + millisecond - 1) / millisecond * millisecond;
}

static int sleep_under_mask(sleep_piece *piece, void *arguments, uint64_t limit, uint64_t wait, const sigset_t *mask)
{
    for (;;) {
        wait = sleep_round(wait);
        bool is_last = wait >= limit;
        int result = piece(arguments, is_last ? limit : wait, mask);
        if (result != 0 || is_last) {
            return result;
        }
        limit -= limit == POOL_SLEEP_NEVER ? 0 : wait;
        wait = pool_sleep_step();
    }
}

static int sleep_in_pieces(sleep_piece *piece, void *arguments, uint64_t limit, uint64_t wait, const sigset_t *mask)
{
    int result;
    sigset_t former;
    sleep_block(&former);
    pthread_cleanup_push(sleep_unblock, &former);
    result = sleep_under_mask(piece, arguments, limit, wait, mask != NULL ? mask : &former);
    pthread_cleanup_pop(1);
    return result;
}

/*
 * Returns for how many nanoseconds the call may sleep before memory should be given back. Returns POOL_SLEEP_NEVER if
 * it may sleep as long as its caller wants; libc's call then does the whole wait. If `watches` is set, the call also
 * checks from time to time for memory that other threads have freed. Price where nothing is free: a check of each
 * bucket.
 */
static uint64_t sleep_before(uint64_t limit, bool watches)
{
    if (limit == 0 || !pool_has_recovered()) {
        return POOL_SLEEP_NEVER;
    }
    uint64_t wait = pool_sleep_limit(limit, watches);
    if (wait != POOL_SLEEP_NEVER && !sandbox_allows(SANDBOX_RARE)) {
        if (wait == 0) {
            pool_sleep_step();
        }
        return POOL_SLEEP_NEVER;
    }
    return wait < limit ? wait : POOL_SLEEP_NEVER;
}

/* --- epoll ----------------------------------------------------------------------------- */

/* Does what the child of a fork has put off: finds the free slots. No signal handler may call epoll_wait and its
 * relatives (signal-safety(7)), so no malloc or free of this thread is interrupted here. */
static void sleep_recover(void)
{
    pool_recover_due();
    background_offer();
}

struct sleep_epoll {
    int file;
    struct epoll_event *events;
    int count;
};

static int sleep_epoll_piece(void *arguments, uint64_t limit, const sigset_t *mask)
{
    const struct sleep_epoll *epoll = arguments;
    sleep_epoll_pwait_function next = NEXT(epoll_pwait);
    return next != NULL ? next(epoll->file, epoll->events, epoll->count, sleep_to_milliseconds(limit), mask)
                        : sleep_lacks();
}

EXPORTED int epoll_wait(int file, struct epoll_event *events, int count, int milliseconds)
{
    sleep_recover();
    uint64_t limit = sleep_of_milliseconds(milliseconds);
    uint64_t wait = sleep_before(limit, true);
    if (wait == POOL_SLEEP_NEVER) {
        sleep_epoll_wait_function next = NEXT(epoll_wait);
        return next != NULL ? next(file, events, count, milliseconds) : sleep_lacks();
    }
    return sleep_in_pieces(sleep_epoll_piece, &(struct sleep_epoll){file, events, count}, limit, wait, NULL);
}

EXPORTED int epoll_pwait(int file, struct epoll_event *events, int count, int milliseconds, const sigset_t *mask)
{
    sleep_recover();
    uint64_t limit = sleep_of_milliseconds(milliseconds);
    uint64_t wait = sleep_before(limit, true);
    if (wait == POOL_SLEEP_NEVER) {
        sleep_epoll_pwait_function next = NEXT(epoll_pwait);
        return next != NULL ? next(file, events, count, milliseconds, mask) : sleep_lacks();
    }
    return sleep_in_pieces(sleep_epoll_piece, &(struct sleep_epoll){file, events, count}, limit, wait, mask);
}

static int sleep_epoll2_piece(void *arguments, uint64_t limit, const sigset_t *mask)
{
    const struct sleep_epoll *epoll = arguments;
    struct timespec room;
    sleep_epoll_pwait2_function next = NEXT(epoll_pwait2);
    return next != NULL ? next(epoll->file, epoll->events, epoll->count, sleep_to_timespec(limit, &room), mask)
                        : sleep_lacks();
}

/* glibc has this function from 2.35 on, and declares it from then on. */
int epoll_pwait2_name(int file, struct epoll_event *events, int count, const struct timespec *timeout,
                      const sigset_t *mask) __asm__("epoll_pwait2");
EXPORTED int epoll_pwait2_name(int file, struct epoll_event *events, int count, const struct timespec *timeout,
                               const sigset_t *mask)
{
    sleep_recover();
    uint64_t limit = sleep_of_timespec(timeout);
    uint64_t wait = sleep_before(limit, true);
    if (wait == POOL_SLEEP_NEVER) {
        sleep_epoll_pwait2_function next = NEXT(epoll_pwait2);
        return next != NULL ? next(file, events, count, timeout, mask) : sleep_lacks();
    }
    return sleep_in_pieces(sleep_epoll2_piece, &(struct sleep_epoll){file, events, count}, limit, wait, mask);
}

/* --- poll ------------------------------------------------------------------------------ */

struct sleep_poll {
    struct pollfd *files;
    nfds_t count;
};

static int sleep_poll_piece(void *arguments, uint64_t limit, const sigset_t *mask)
{
    const struct sleep_poll *poll = arguments;
    struct timespec room;
    sleep_ppoll_function next = NEXT(ppoll);
    return next != NULL ? next(poll->files, poll->count, sleep_to_timespec(limit, &room), mask) : sleep_lacks();
}

static int sleep_poll(struct pollfd *files, nfds_t count, int milliseconds)
{
    uint64_t limit = sleep_of_milliseconds(milliseconds);
    uint64_t wait = sleep_before(limit, true);
    if (wait == POOL_SLEEP_NEVER) {
        sleep_poll_function next = NEXT(poll);
        return next != NULL ? next(files, count, milliseconds) : sleep_lacks();
    }
    return sleep_in_pieces(sleep_poll_piece, &(struct sleep_poll){files, count}, limit, wait, NULL);
}

static int sleep_ppoll(struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t limit = sleep_of_timespec(timeout);
    uint64_t wait = sleep_before(limit, true);
    if (wait == POOL_SLEEP_NEVER) {
        sleep_ppoll_function next = NEXT(ppoll);
        return next != NULL ? next(files, count, timeout, mask) : sleep_lacks();
    }
    return sleep_in_pieces(sleep_poll_piece, &(struct sleep_poll){files, count}, limit, wait, mask);
}

int poll_name(struct pollfd *files, nfds_t count, int milliseconds) __asm__("poll");
EXPORTED int poll_name(struct pollfd *files, nfds_t count, int milliseconds)
{
    return sleep_poll(files, count, milliseconds);
}

/* __poll is an old name of poll, which some libraries import. */
int poll_old_name(struct pollfd *files, nfds_t count, int milliseconds) __asm__("__poll");
EXPORTED int poll_old_name(struct pollfd *files, nfds_t count, int milliseconds)
{
    return sleep_poll(files, count, milliseconds);
}

int ppoll_name(struct pollfd *files, nfds_t count, const struct timespec *timeout,
               const sigset_t *mask) __asm__("ppoll");
EXPORTED int ppoll_name(struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return sleep_ppoll(files, count, timeout, mask);
}

/* Programs that were compiled with _FORTIFY_SOURCE import these names. `size` is the size of the array `files` in
 * bytes. Where the array is too small, libc's own function ends the process. */
int poll_checked_name(struct pollfd *files, nfds_t count, int milliseconds, size_t size) __asm__("__poll_chk");
EXPORTED int poll_checked_name(struct pollfd *files, nfds_t count, int milliseconds, size_t size)
{
    sleep___poll_chk_function next = size / sizeof *files < count ? NEXT(__poll_chk) : NULL;
    return next != NULL ? next(files, count, milliseconds, size) : sleep_poll(files, count, milliseconds);
}

int ppoll_checked_name(struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                       size_t size) __asm__("__ppoll_chk");
EXPORTED int ppoll_checked_name(struct pollfd *files, nfds_t count, const struct timespec *timeout,
                                const sigset_t *mask, size_t size)
{
    sleep___ppoll_chk_function next = size / sizeof *files < count ? NEXT(__ppoll_chk) : NULL;
    return next != NULL ? next(files, count, timeout, mask, size) : sleep_ppoll(files, count, timeout, mask);
}

/* --- select ---------------------------------------------------------------------------- */

/* Calls of select for more than SELECT_FILES files are left to libc, because each piece copies the sets onto the stack,
 * of which a signal handler may have little. */
enum { SELECT_SETS = 3, SELECT_FILES = 4096, SELECT_WORDS = SELECT_FILES / (8 * sizeof(fd_mask)) };

struct sleep_select {
    int count;
    size_t bytes;
    fd_set *set[SELECT_SETS];
    fd_mask copy[SELECT_SETS][SELECT_WORDS];
};

/* Makes one piece of select. A timeout clears the sets, so each piece works on copies, and the copies of the last piece
 * become the program's result. */
static int sleep_select_piece(void *arguments, uint64_t limit, const sigset_t *mask)
{
    struct sleep_select *select = arguments;
    fd_set *set[SELECT_SETS];
    struct timespec room;
    for (unsigned i = 0; i < SELECT_SETS; i++) {
        set[i] = select->set[i] != NULL ? (fd_set *)(void *)select->copy[i] : NULL;
        if (set[i] != NULL) {
            memcpy(set[i], select->set[i], select->bytes);
        }
    }
    sleep_pselect_function next = NEXT(pselect);
    return next != NULL ? next(select->count, set[0], set[1], set[2], sleep_to_timespec(limit, &room), mask)
                        : sleep_lacks();
}

static bool sleep_can_copy(int count)
{
    return count >= 0 && count <= SELECT_FILES;
}

static int sleep_select_in_pieces(int count, fd_set *const set[SELECT_SETS], uint64_t limit, uint64_t wait,
                                  const sigset_t *mask)
{
    struct sleep_select select = {.count = count, .set = {set[0], set[1], set[2]}};
    enum { BITS = 8 * sizeof(fd_mask) };
    select.bytes = ((size_t)count + BITS - 1) / BITS * sizeof(fd_mask);
    int result = sleep_in_pieces(sleep_select_piece, &select, limit, wait, mask);
    for (unsigned i = 0; i < SELECT_SETS && result >= 0; i++) {
        if (set[i] != NULL) {
            memcpy(set[i], select.copy[i], select.bytes);
        }
    }
    return result;
}

static uint64_t sleep_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec;
}

/* Linux stores in `timeout` how much of it was left, so this function does the same. */
static int sleep_select(int count, fd_set *readable, fd_set *writable, fd_set *special, struct timeval *timeout)
{
    enum { MICROSECOND = 1000 };
    struct timespec asked = {0, 0};
    if (timeout != NULL) {
        asked = (struct timespec){timeout->tv_sec, timeout->tv_usec * MICROSECOND};
    }
    uint64_t limit = sleep_of_timespec(timeout != NULL ? &asked : NULL);
    uint64_t wait = sleep_can_copy(count) ? sleep_before(limit, true) : POOL_SLEEP_NEVER;
    if (wait == POOL_SLEEP_NEVER) {
        sleep_select_function next = NEXT(select);
        return next != NULL ? next(count, readable, writable, special, timeout) : sleep_lacks();
    }
    uint64_t begin = timeout != NULL ? sleep_clock() : 0;
    int result = sleep_select_in_pieces(count, (fd_set *[SELECT_SETS]){readable, writable, special}, limit, wait, NULL);
    if (timeout != NULL) {
        int kept = errno;
        uint64_t spent = sleep_clock() - begin;
        uint64_t left = result != 0 && spent < limit ? limit - spent : 0;
        *timeout = (struct timeval){(time_t)(left / second), (suseconds_t)(left % second / MICROSECOND)};
        errno = kept;
    }
    return result;
}

int select_name(int count, fd_set *readable, fd_set *writable, fd_set *special,
                struct timeval *timeout) __asm__("select");
EXPORTED int select_name(int count, fd_set *readable, fd_set *writable, fd_set *special, struct timeval *timeout)
{
    return sleep_select(count, readable, writable, special, timeout);
}

/* __select is an old name of select, which some libraries import. */
int select_old_name(int count, fd_set *readable, fd_set *writable, fd_set *special,
                    struct timeval *timeout) __asm__("__select");
EXPORTED int select_old_name(int count, fd_set *readable, fd_set *writable, fd_set *special, struct timeval *timeout)
{
    return sleep_select(count, readable, writable, special, timeout);
}

int pselect_name(int count, fd_set *readable, fd_set *writable, fd_set *special, const struct timespec *timeout,
                 const sigset_t *mask) __asm__("pselect");
EXPORTED int pselect_name(int count, fd_set *readable, fd_set *writable, fd_set *special,
                          const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t limit = sleep_of_timespec(timeout);
    uint64_t wait = sleep_can_copy(count) ? sleep_before(limit, true) : POOL_SLEEP_NEVER;
    if (wait == POOL_SLEEP_NEVER) {
        sleep_pselect_function next = NEXT(pselect);
        return next != NULL ? next(count, readable, writable, special, timeout, mask) : sleep_lacks();
    }
    return sleep_select_in_pieces(count, (fd_set *[SELECT_SETS]){readable, writable, special}, limit, wait, mask);
}

/* --- accept ---------------------------------------------------------------------------- */

/*
 * The workers of many servers sleep in accept, all on one socket. While free memory waits to be purged, the wrapper
 * waits for a connection with ppoll, which has a timeout, and purges between two such waits. It calls libc's accept
 * when a connection is there or when nothing more is to be purged. accept differs from ppoll in two ways:
 *
 * - A handler with SA_RESTART does not end accept, but ends ppoll, and ppoll does not say which handler ran. If all
 *   handlers of the program have SA_RESTART, or if none has it, the answer is known. If some have it and others have
 *   not, ppoll waits with all signals blocked, and look for pending signals every SLEEP_SLICE. In a process with
 *   other threads, which would handle the signals meanwhile, only what is due is purged, and libc's accept begins.
 * - SO_RCVTIMEO limits how long accept waits, and any handler then ends it. If the socket has that option, the wrapper
 *   purges what is due, too, and then calls libc's accept.
 *
 * A connection wakes all processes that wait for it in ppoll, and one of those that wait in accept. The processes that
 * do not get the connection look again and continue their wait. As long as nothing is to be purged, all processes wait
 * in accept.
 */
enum { SLEEP_SLICE = 10000000 /* nanoseconds */ };

struct sleep_accept {
    int file;
    bool has_limit;
};

static uint64_t sleep_of_mask(const sigset_t *mask)
{
    uint64_t signals;
    memcpy(&signals, mask, sizeof signals);
    return signals;
}

/* Returns the signals that are pending for the thread or for the process; none if the kernel does not say. */
static uint64_t sleep_pending(void)
{
    uint64_t signals = 0;
    system_call(SYS_rt_sigpending, &signals, sizeof signals);
    return signals;
}

/* Waits for a connection. Returns 1 if a connection or an error is there, 0 if the time is over, and -1 with errno set
 * if the wait itself failed. */
static int sleep_connection(int file, uint64_t limit, const sigset_t *mask)
{
    struct timespec room;
    sleep_ppoll_function next = NEXT(ppoll);
    return next != NULL ? next(&(struct pollfd){file, POLLIN, 0}, 1, sleep_to_timespec(limit, &room), mask) : 1;
}

/*
 * Makes one piece of a wait for a connection, with all signals blocked. Pending signals are handled when the mask is
 * restored. Then libc's accept goes on, or the program's accept fails if one of these signals is in `interrupting`.
 * Returns 0 if the time is over.
 */
static int sleep_accept_blocked(int file, uint64_t limit, uint64_t interrupting, const sigset_t *mask)
{
    for (uint64_t slice;; limit -= slice) {
        uint64_t pending = sleep_pending() & ~sleep_of_mask(mask);
        if ((pending & interrupting) != 0) {
            errno = EINTR;
            return -1;
        }
        slice = limit < SLEEP_SLICE ? limit : SLEEP_SLICE;
        if (limit == POOL_SLEEP_NEVER || pending != 0 || sleep_connection(file, slice, NULL) != 0) {
            return 1;
        }
        if (limit == 0) {
            return 0;
        }
    }
}

/*
 * Returns 1 if libc's accept is to be called, -1 with EINTR if a handler has ended the wait, and 0 if the time is over.
 * The piece without a limit is the last one, and only lets pending signals be handled. Other pieces check twice for a
 * connection, because a process that was woken sooner may have taken the connection.
 */
static int sleep_accept_piece(void *arguments, uint64_t limit, const sigset_t *mask)
{
    const struct sleep_accept *accept = arguments;
    struct handler_effects effects;
    handler_effects(&effects);
    uint64_t restarting = effects.restarting & ~sleep_of_mask(mask);
    uint64_t interrupting = effects.interrupting & ~sleep_of_mask(mask);
    if (accept->has_limit) {
        limit = limit == 0 ? 0 : POOL_SLEEP_NEVER;
        return sleep_accept_blocked(accept->file, limit, interrupting | restarting, mask);
    }
    if (interrupting != 0 && restarting != 0) {
        limit = limit == 0 || !os_has_threads() ? limit : POOL_SLEEP_NEVER;
        return sleep_accept_blocked(accept->file, limit, interrupting, mask);
    }
    int result = sleep_connection(accept->file, limit == POOL_SLEEP_NEVER ? 0 : limit, mask);
    if (result > 0 && limit != 0 && limit != POOL_SLEEP_NEVER) {
        result = sleep_connection(accept->file, 0, mask);
    }
    if (result < 0 && errno == EINTR) {
        return interrupting != 0 ? -1 : 0;
    }
    return result < 0 ? 1 : result;
}

/*
 * Purges memory that is due, before the descriptor's accept waits. Returns false, with errno set to EINTR, if a signal
 * handler ran after which accept has to end.
 */
static bool sleep_accept(int file)
{
    int kept = errno;
    uint64_t wait = sleep_before(POOL_SLEEP_NEVER, false);
    if (wait == POOL_SLEEP_NEVER) {
        return true;
    }
    enum listener listener = listener_look(file);
    if (listener == LISTENER_RETURNS) {
        return true;
    }
    struct sleep_accept accept = {file, listener == LISTENER_TIMED};
    if (sleep_in_pieces(sleep_accept_piece, &accept, POOL_SLEEP_NEVER, wait, NULL) < 0) {
        return false;
    }
    errno = kept;
    return true;
}

int accept_name(int file, struct sockaddr *restrict address, socklen_t *restrict size) __asm__("accept");
EXPORTED int accept_name(int file, struct sockaddr *restrict address, socklen_t *restrict size)
{
    sleep_accept_function next = NEXT(accept);
    if (next == NULL) {
        return sleep_lacks();
    }
    return sleep_accept(file) ? next(file, address, size) : -1;
}

int accept4_name(int file, struct sockaddr *restrict address, socklen_t *restrict size, int flags) __asm__("accept4");
EXPORTED int accept4_name(int file, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    sleep_accept4_function next = NEXT(accept4);
    if (next == NULL) {
        return sleep_lacks();
    }
    bool valid = (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == 0;
    return !valid || sleep_accept(file) ? next(file, address, size, flags) : -1;
}
