/* The demo server: a small HTTP/1.1 server that uses malloc and free, and is adapted to no allocator. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "number.h"
#include "server_worker.h"

#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    THREADS_MOST = 64,
    DISCARD_SIZE = 256,
    /* an upper bound of how many descriptors the server has open besides its clients' connections */
    OTHER_DESCRIPTORS = 64 + 4 * THREADS_MOST,
};

struct options {
    uint64_t port;
    uint64_t threads;
    uint64_t idle_seconds;
    uint64_t connections;
};

static const struct argp_option option_rows[] = {
    {.name = "port", .key = 'p', .arg = "PORT", .doc = "listen on this port (0, a free one)"},
    {.name = "threads", .key = 't', .arg = "N", .doc = "serve with so many threads (2)"},
    {.name = "idle", .key = 'i', .arg = "SECONDS", .doc = "end after so long without any traffic (60)"},
    {.name = "connections", .key = 'c', .arg = "N", .doc = "close what comes above so many (512)"},
    {0},
};

static error_t option_take(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;
    bool good;

    switch (key) {
    case 'p':
        good = number_parse(text, 0, UINT16_MAX, &options->port);
        break;
    case 't':
        good = number_parse(text, 1, THREADS_MOST, &options->threads);
        break;
    case 'i':
        good = number_parse(text, 1, 24 * 60 * 60, &options->idle_seconds);
        break;
    case 'c':
        good = number_parse(text, 1, 100000, &options->connections);
        break;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    if (!good)
        argp_error(state, "'%s' is not a number that this option takes", text);
    return 0;
}

static const struct argp parser = {
    .options = option_rows,
    .parser = option_take,
    .doc = "A small HTTP/1.1 server on 127.0.0.1. GET /bytes/N answers with a body of N bytes, "
           "POST /echo "
           "with the body it was sent. The port is the one line on standard output."
           "\vIt ends on SIGTERM or SIGINT, after the idle time, and, where standard input is a "
           "pipe or "
           "a socket, when the other end of that is closed. Numbers may end in k or m.",
};

static void die(const char *what)
{
    fprintf(stderr, "demo-server: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/*
 * Raises the process's limit on open files if it is too low for the connections, and ends the server with an error if
 * that is not allowed. With too low a limit, accept would fail because no descriptor is free, and the new connection
 * would stay in the queue of the listening socket. So the event loop would be woken again and again, and never sleep.
 */
static void check_descriptors(uint64_t connections)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    if (limit.rlim_cur >= connections + OTHER_DESCRIPTORS)
        return;
    limit.rlim_cur = connections + OTHER_DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("so many connections need more open files than the limit allows");
}

/* Opens the listening socket on port `*port`, stores the real port there, and returns the socket. */
static int listen_on(uint16_t *port)
{
    const int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(*port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0)
        die("socket");
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, size) != 0)
        die("bind");
    if (listen(listener, SOMAXCONN) != 0)
        die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        die("getsockname");
    *port = ntohs(address.sin_port);
    return listener;
}

/* Returns a descriptor for the signals that end the server. The signals are blocked before any thread starts, so that
 * none of them kills the server. */
static int open_signals(void)
{
    sigset_t ending;
    int signals;

    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &ending, NULL) != 0)
        die("pthread_sigmask");
    signals = signalfd(-1, &ending, SFD_CLOEXEC);
    if (signals < 0)
        die("signalfd");
    return signals;
}

/*
 * Returns the descriptor of standard input if it is a pipe or a socket, otherwise -1. The end of a pipe or a socket
 * shows that the program which started the server has ended. A terminal would stop a background process that reads from
 * it, and /dev/null is always at its end.
 */
static int open_input(void)
{
    struct stat status;

    if (fstat(STDIN_FILENO, &status) != 0)
        return -1;
    return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) ? STDIN_FILENO : -1;
}

/* Reads and ignores standard input. Returns true at its end. */
static bool input_ended(void)
{
    char discarded[DISCARD_SIZE];
    ssize_t got = read(STDIN_FILENO, discarded, sizeof(discarded));

    return got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
}

/* Waits until the server must end: until a signal arrives, standard input ends, or no event has happened for `idle`
 * milliseconds. */
static void wait_for_end(const struct server *server, int signals, int64_t idle)
{
    struct pollfd watched[2] = {
        {.fd = signals, .events = POLLIN},
        {.fd = open_input(), .events = POLLIN},
    };

    for (;;) {
        int64_t left = atomic_load(&server->busy_at) + idle - server_now();
        int count = left > 0 ? poll(watched, 2, (int)left) : 0;

        if (count < 0 && errno != EINTR)
            die("poll");
        if (count == 0 && atomic_load(&server->busy_at) + idle <= server_now())
            return;
        if (count > 0 && watched[0].revents != 0)
            return;
        if (count > 0 && watched[1].revents != 0 && input_ended())
            return;
    }
}

int main(int argc, char **argv)
{
    struct options options = {.threads = 2, .idle_seconds = 60, .connections = 512};
    struct worker workers[THREADS_MOST];
    struct server server = {.connections = 0};
    const uint64_t stop = 1;
    uint16_t port;
    int signals;

    argp_parse(&parser, argc, argv, 0, NULL, &options);
    port = (uint16_t)options.port;
    server.connection_limit = options.connections;
    check_descriptors(options.connections);
    atomic_store(&server.busy_at, server_now());
    signals = open_signals();
    server.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server.stop < 0)
        die("eventfd");
    server.listener = listen_on(&port);
    for (size_t i = 0; i < options.threads; i++) {
        errno = worker_start(&workers[i], &server);
        if (errno != 0)
            die("cannot start a thread");
    }
    if (printf("%u\n", (unsigned)port) < 0 || fflush(stdout) != 0)
        die("standard output");
    wait_for_end(&server, signals, (int64_t)options.idle_seconds * 1000);
    if (write(server.stop, &stop, sizeof(stop)) != sizeof(stop))
        die("cannot stop the threads");
    for (size_t i = 0; i < options.threads; i++)
        worker_join(&workers[i]);
    return EXIT_SUCCESS;
}
