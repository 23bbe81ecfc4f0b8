/* Tests of os/listener.c, which finds out if accept on a descriptor would wait for a connection. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/listener.h"

enum { BACKLOG = 4, UNUSUAL = 4242 /* an errno that no call sets */ };

/* Returns a new UNIX socket that is bound to a name which the kernel chooses. */
static int make_socket(int type)
{
    struct sockaddr_un nameless = {.sun_family = AF_UNIX};
    int file = socket(AF_UNIX, type, 0);
    cr_assert(file >= 0);
    cr_assert_eq(bind(file, (struct sockaddr *)(void *)&nameless, sizeof nameless.sun_family), 0);
    return file;
}

static int make_listener(void)
{
    int file = make_socket(SOCK_STREAM);
    cr_assert_eq(listen(file, BACKLOG), 0);
    return file;
}

static void expect(int file, enum listener wanted)
{
    errno = UNUSUAL;
    cr_expect_eq(listener_look(file), wanted);
    cr_expect_eq(errno, UNUSUAL);
}

Test(listener, accept_waits_for_a_connection)
{
    struct sockaddr_un name;
    socklen_t size = sizeof name;
    int file = make_listener();
    expect(file, LISTENER_WAITS);
    int client = make_socket(SOCK_STREAM);
    cr_assert_eq(getsockname(file, (struct sockaddr *)(void *)&name, &size), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)(void *)&name, size), 0);
    expect(file, LISTENER_RETURNS);
    cr_assert(accept(file, NULL, NULL) >= 0);
    expect(file, LISTENER_WAITS);
}

Test(listener, accept_waits_no_longer_than_the_limit)
{
    struct timeval limit = {0, 1000};
    int file = make_listener();
    cr_assert_eq(setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    expect(file, LISTENER_TIMED);
    limit = (struct timeval){1, 0};
    cr_assert_eq(setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    expect(file, LISTENER_TIMED);
}

Test(listener, accept_does_not_block)
{
    int file = make_listener();
    cr_assert_eq(fcntl(file, F_SETFL, O_NONBLOCK), 0);
    expect(file, LISTENER_RETURNS);
}

Test(listener, accept_fails)
{
    int ends[2];
    int pair[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    expect(-1, LISTENER_RETURNS);
    expect(ends[0], LISTENER_RETURNS);
    expect(pair[0], LISTENER_RETURNS);
    expect(make_socket(SOCK_STREAM), LISTENER_RETURNS);
    expect(make_socket(SOCK_DGRAM), LISTENER_RETURNS);
    int file = make_listener();
    cr_assert_eq(shutdown(file, SHUT_RD), 0);
    expect(file, LISTENER_RETURNS);
}
