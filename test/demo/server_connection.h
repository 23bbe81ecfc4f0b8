/* One client's connection to the demo server: its buffers, and how far its exchange has come. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_SERVER_CONNECTION_H
#define DEMO_SERVER_CONNECTION_H

#include "http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONNECTION_READ_SIZE = 16384,             /* the read buffer of nginx, redis and haproxy */
    CONNECTION_BODY_LIMIT = 16 * 1024 * 1024, /* the largest body, in either direction */
};

enum connection_step {
    CONNECTION_HEAD,   /* reading a head */
    CONNECTION_BODY,   /* reading the body that came with it */
    CONNECTION_ANSWER, /* writing the answer */
};

struct connection {
    struct connection *next; /* these two belong to whoever keeps the connection */
    struct connection *previous;
    int descriptor;
    enum connection_step step;
    bool last; /* close once the answer is written */

    char *read_buffer;
    size_t read_count;

    unsigned char *body; /* what came, for an echo, or what goes */
    size_t body_size;
    size_t body_count; /* how much of it has come */

    char answer[160]; /* the head that goes before the body */
    size_t answer_size;
    size_t sent; /* of head and body together */
};

/* Takes over the non-blocking descriptor; when there is no memory it returns NULL and closes it. */
struct connection *connection_open(int descriptor);

/* Goes on until the socket would block. False when the connection has ended and is to be closed. */
bool connection_drive(struct connection *connection);

void connection_close(struct connection *connection);

#endif
