/* One thread of the demo server: accepts from the shared socket, drives what it accepted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_SERVER_WORKER_H
#define DEMO_SERVER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What all workers have in common. */
struct server {
    int listener;
    int stop;                /* an eventfd; once written, every worker closes its connections and ends */
    size_t connection_limit; /* above it a new connection is closed at once */
    atomic_size_t connections;
    _Atomic int64_t busy_at; /* server_now of the newest event, for the idle bound */
};

struct connection;

struct worker {
    struct server *server;
    pthread_t thread;
    int epoll;
    struct connection *connections;
};

/* The monotonic clock in milliseconds. */
int64_t server_now(void);

/* Both return 0 or an errno value. */
int worker_start(struct worker *worker, struct server *server);
int worker_join(struct worker *worker);

#endif
