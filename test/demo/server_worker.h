/* One thread of the demo server: accepts connections on the shared socket, and serves them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_SERVER_WORKER_H
#define DEMO_SERVER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The data that all threads share. */
struct server {
    int listener;
    int stop;                /* an eventfd; when it is written to, every thread closes its connections and ends */
    size_t connection_limit; /* when this many connections are open, each new one is closed at once */
    atomic_size_t connections;
    _Atomic int64_t busy_at; /* when the newest event happened: a time in milliseconds that server_now returned */
};

struct connection;

struct worker {
    struct server *server;
    pthread_t thread;
    int epoll;
    struct connection *connections;
};

/* Returns the monotonic clock in milliseconds. */
int64_t server_now(void);

/* worker_start starts a thread, and worker_join waits for its end. Both return 0 or an errno value. */
int worker_start(struct worker *worker, struct server *server);
int worker_join(struct worker *worker);

#endif
