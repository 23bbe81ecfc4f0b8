/* Wraps accept and accept4, in which an idle server waits for connections, so that free memory is purged meanwhile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "base/attributes.h"
#include "os/listener.h"
#include "os/os_process.h"
#include "preload/handler.h"
#include "preload/sleep.h"

/*
 * The workers of many servers sleep in accept, all on one socket. While free memory waits to be purged, the wrapper
 * waits for a connection with ppoll, which has a timeout, and purges between two such waits. It calls libc's accept
 * when a connection is there or when nothing more is to be purged. accept differs from ppoll in two ways:
 *
 * - A handler with SA_RESTART does not end accept, but ends ppoll, and ppoll does not say which handler ran. If all
 *   handlers of the program have SA_RESTART, or if none has it, the wrapper knows whether accept would have ended. If
 *   some have it and others have not, ppoll waits with all signals blocked, and the wrapper looks for pending signals
 *   every SLEEP_SLICE. In a process with other threads, which would handle the signals meanwhile, the wrapper only
 *   purges what is due, and then calls libc's accept.
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

/* Returns which signals are pending for the thread or for the process; none if the kernel does not say. */
static uint64_t sleep_pending(void)
{
    sigset_t signals;
    os_pending_signals(&signals);
    return sleep_of_mask(&signals);
}

/* Waits until there is a connection. Returns 1 if there is a connection or an error, 0 if `limit` nanoseconds have
 * passed, and -1 with errno set if the wait itself has failed. */
static int sleep_connection(int file, uint64_t limit, const sigset_t *mask)
{
    struct timespec room;
    sleep_ppoll_function next = NEXT(ppoll);
    return next != NULL ? next(&(struct pollfd){file, POLLIN, 0}, 1, sleep_to_timespec(limit, &room), mask) : 1;
}

/*
 * Waits at most `limit` nanoseconds for a connection, with all signals blocked; the caller restores the mask
 * afterwards, and pending signals are handled then. Returns 1 if libc's accept is to be called, and 0 if the time is
 * over. Returns -1 with errno EINTR if a signal in `interrupting` is pending, because the program's accept must then
 * fail with EINTR.
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
 * Waits for a connection for at most `limit` nanoseconds, as one piece of a longer wait. Returns 1 if libc's accept is
 * to be called, -1 with EINTR if a handler has ended the wait, and 0 if `limit` nanoseconds are over. A `limit` of
 * POOL_SLEEP_NEVER marks the last piece, which does not wait, but lets pending signals be handled. If any other piece
 * has found a connection, it checks once more that the connection is still there, because another process may have
 * taken it meanwhile.
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
    unsigned runs = handler_runs();
    int result = sleep_connection(accept->file, limit == POOL_SLEEP_NEVER ? 0 : limit, mask);
    if (result > 0 && limit != 0 && limit != POOL_SLEEP_NEVER) {
        result = sleep_connection(accept->file, 0, mask);
    }
    if (result < 0 && errno == EINTR) {
        /* The library's own handler may have caused this EINTR; then the wait goes on, as it does if no handler ends
         * accept (`interrupting` is 0). If a handler of the program has run at the same moment, the wait goes on as
         * well, although accept should then fail with EINTR. */
        return interrupting != 0 && handler_runs() == runs ? -1 : 0;
    }
    return result < 0 ? 1 : result;
}

/*
 * Purges memory that is due, before libc's accept waits on the descriptor. Returns false, with errno EINTR, if a signal
 * handler has run after which accept has to end.
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
