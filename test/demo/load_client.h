/* One connection of the load generator: sends a request, and checks the answer as it arrives. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_LOAD_CLIENT_H
#define DEMO_LOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIENT_BUFFER_SIZE = 65536,
};

enum client_step {
    CLIENT_IDLE,
    CLIENT_SENDING,
    CLIENT_HEAD, /* reads the head of the answer */
    CLIENT_BODY, /* reads and checks the body of the answer */
};

enum client_result {
    CLIENT_WAITS, /* waits for the socket */
    CLIENT_DONE,  /* the exchange is complete, and every byte was right */
    CLIENT_FAILED,
};

struct client {
    int descriptor;  /* -1 while there is no connection */
    bool count_only; /* checks only the number of bytes, and not their values */
    enum client_step step;
    const char *failure; /* why the exchange failed, in words */

    uint64_t size; /* the size of the exchange's body in bytes */
    bool echo;
    char head[160]; /* the head that is sent before the body */
    size_t head_size;
    uint64_t sent;     /* how many bytes of the request (head and body) were sent so far */
    uint64_t received; /* how many bytes of the answer's body were received so far */

    size_t count; /* how many bytes of the answer's head were received so far */
    unsigned char buffer[CLIENT_BUFFER_SIZE];
};

/* Begins to connect to 127.0.0.1, without waiting. Returns false, and sets `failure`, if that is impossible. */
bool client_connect(struct client *client, uint16_t port);

/* Prepares an exchange with a body of `size` bytes. The server sends the body; with `echo`, the client sends it first,
 * and the server sends it back. */
void client_begin(struct client *client, uint64_t size, bool echo);

/* Continues the exchange. Returns CLIENT_WAITS if the socket would block, and CLIENT_DONE or CLIENT_FAILED if the
 * exchange is over. */
enum client_result client_drive(struct client *client);

void client_disconnect(struct client *client);

#endif
