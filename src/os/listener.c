/* Finds out what accept would do with a descriptor: return at once, or wait for a connection. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "os/system_call.h"

/*
 * Returns true if accept on this descriptor never waits, because the descriptor has the flag O_NONBLOCK or is not open.
 */
static bool listener_never_blocks(int file)
{
    long flags = system_call(SYS_fcntl, file, F_GETFL);
    return flags < 0 || (flags & O_NONBLOCK) != 0;
}

/* Returns true if the descriptor is ready. A listening socket is ready if a connection or an error is waiting there. */
static bool listener_is_ready(int file)
{
    struct pollfd one = {file, POLLIN, 0};
    struct timespec none = {0, 0};
    return system_call(SYS_ppoll, &one, 1, &none, NULL, 0) != 0;
}

/*
 * Returns true if the descriptor is a listening socket that queues connections. accept waits for a connection only on
 * such a socket. It fails on others, or, as with AF_ALG, returns at once.
 */
static bool listener_listens(int file)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    return system_call(SYS_getsockopt, file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

/* Returns true if SO_RCVTIMEO limits the wait for a connection, and also if the option cannot be read. */
static bool listener_has_limit(int file)
{
    struct timeval limit = {0, 0};
    socklen_t size = sizeof limit;
    return system_call(SYS_getsockopt, file, SOL_SOCKET, SO_RCVTIMEO, &limit, &size) != 0 || limit.tv_sec != 0 ||
           limit.tv_usec != 0;
}

enum listener listener_look(int file)
{
    if (listener_never_blocks(file) || listener_is_ready(file) || !listener_listens(file)) {
        return LISTENER_RETURNS;
    }
    return listener_has_limit(file) ? LISTENER_TIMED : LISTENER_WAITS;
}
