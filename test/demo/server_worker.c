/* The event loop of one thread of the demo server: edge-triggered connections, and a shared listening socket. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "server_worker.h"

#include "server_connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t server_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int watch(int epoll, int descriptor, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno;
}

static void connection_keep(struct worker *worker, struct connection *connection)
{
    connection->previous = NULL;
    connection->next = worker->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    worker->connections = connection;
}

static void connection_end(struct worker *worker, struct connection *connection)
{
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connection_close(connection);
    atomic_fetch_sub(&worker->server->connections, 1);
}

static void connection_begin(struct worker *worker, int descriptor)
{
    const int on = 1;
    struct connection *connection;

    if (atomic_fetch_add(&worker->server->connections, 1) >= worker->server->connection_limit) {
        close(descriptor);
        atomic_fetch_sub(&worker->server->connections, 1);
        return;
    }
    /* Without TCP_NODELAY the last, short segment of a body would wait for the client's delayed acknowledgement. */
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection = connection_open(descriptor);
    if (connection == NULL) {
        atomic_fetch_sub(&worker->server->connections, 1);
        return;
    }
    connection_keep(worker, connection);
    if (watch(worker->epoll, descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection) != 0)
        connection_end(worker, connection);
}

static void accept_all(struct worker *worker)
{
    int descriptor;

    while ((descriptor = accept4(worker->server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        connection_begin(worker, descriptor);
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct epoll_event events[64];
    bool stopped = false;

    while (!stopped) {
        int count = epoll_wait(worker->epoll, events, 64, -1);

        /* epoll_wait returns -1 with EINTR if this thread has received one of the process's signals. Then the loop
         * below handles no event. */
        for (int i = 0; i < count; i++) {
            void *owner = events[i].data.ptr;

            if (owner == &worker->server->stop)
                stopped = true;
            else if (owner == &worker->server->listener)
                accept_all(worker);
            else if (!connection_drive(owner))
                connection_end(worker, owner);
        }
        atomic_store(&worker->server->busy_at, server_now());
    }
    while (worker->connections != NULL)
        connection_end(worker, worker->connections);
    close(worker->epoll);
    return NULL;
}

int worker_start(struct worker *worker, struct server *server)
{
    int error;

    *worker = (struct worker){.server = server};
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll < 0)
        return errno;
    error = watch(worker->epoll, server->stop, EPOLLIN, &server->stop);
    if (error == 0)
        error = watch(worker->epoll, server->listener, EPOLLIN | EPOLLEXCLUSIVE, &server->listener);
    if (error == 0)
        error = pthread_create(&worker->thread, NULL, worker_run, worker);
    if (error != 0)
        close(worker->epoll);
    return error;
}

int worker_join(struct worker *worker)
{
    return pthread_join(worker->thread, NULL);
}
