/* Wraps the calls in which an idle server waits for events, so that free memory is purged meanwhile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "base/attributes.h"
#include "pool/background.h"
#include "pool/pool.h"
#include "preload/sleep.h"

/* --- epoll ----------------------------------------------------------------------------- */

/*
 * Does in the child of a fork what is still to be done after the fork: finds the free slots, whose lists the fork has
 * left empty, and starts the background thread. Signal handlers may not call epoll_wait and its relatives
 * (signal-safety(7)), so no malloc or free of this thread is interrupted here.
 */
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

/* glibc has epoll_pwait2, and declares it, only from 2.35 on. */
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

/* Programs that were compiled with _FORTIFY_SOURCE import __poll_chk and __ppoll_chk. `size` is the size of the array
 * `files` in bytes. If the array is too small, libc's own function ends the process. */
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

/* The library divides the wait of a select into pieces (sleep_in_pieces). Each piece works on copies of the sets, which
 * lie on the stack. Calls for more than SELECT_FILES files are left to libc, because a signal handler may have little
 * stack. */
enum { SELECT_SETS = 3, SELECT_FILES = 4096, SELECT_WORDS = SELECT_FILES / (8 * sizeof(fd_mask)) };

struct sleep_select {
    int count;
    size_t bytes;
    fd_set *set[SELECT_SETS];
    fd_mask copy[SELECT_SETS][SELECT_WORDS];
};

/* Does one piece of the wait of a select, of at most `limit` nanoseconds. If the time is over, the kernel clears the
 * sets, so each piece works on copies of them; the copies of the last piece become the program's result. */
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
    return (uint64_t)now.tv_sec * SLEEP_SECOND + (uint64_t)now.tv_nsec;
}

/* Does what select does. Stores in `timeout` how much of the time was left, as Linux does. */
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
        *timeout = (struct timeval){(time_t)(left / SLEEP_SECOND), (suseconds_t)(left % SLEEP_SECOND / MICROSECOND)};
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
