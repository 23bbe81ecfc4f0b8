/* One client's connection to the demo server: its buffers, and the state of its exchange. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_SERVER_CONNECTION_H
#define DEMO_SERVER_CONNECTION_H

#include "http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONNECTION_READ_SIZE = 16384,             /* as large as the read buffers of nginx, redis and haproxy */
    CONNECTION_BODY_LIMIT = 16 * 1024 * 1024, /* the largest body in either direction */
};

enum connection_step {
    CONNECTION_HEAD,   /* reads a head */
    CONNECTION_BODY,   /* reads the body that follows the head */
    CONNECTION_ANSWER, /* writes the answer */
};

struct connection {
    struct connection *next; /* `next` and `previous` link the list that contains the connection */
    struct connection *previous;
    int descriptor;
    enum connection_step step;
    bool last; /* true if the connection is closed after this answer */

    char *read_buffer;
    size_t read_count;

    unsigned char *body; /* the body that was received, or that is sent */
    size_t body_size;
    size_t body_count; /* how many bytes of the body were received */

    char answer[160]; /* the head of the answer */
    size_t answer_size;
    size_t sent; /* how many bytes of the answer's head and body were sent so far */
};

/* Makes a connection from a non-blocking descriptor, which connection_close closes. If there is no memory, closes the
 * descriptor at once and returns NULL. */
struct connection *connection_open(int descriptor);

/* Continues the exchange until the socket would block. Returns false if the connection has ended and must be closed. */
bool connection_drive(struct connection *connection);

void connection_close(struct connection *connection);

#endif
