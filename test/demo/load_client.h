/* One connection of the load generator: sends a request, checks the answer as it comes. */
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
    CLIENT_HEAD, /* reading the head of the answer */
    CLIENT_BODY, /* reading and checking its body */
};

enum client_result {
    CLIENT_WAITS, /* for the socket */
    CLIENT_DONE,  /* the exchange is complete, every byte as it should be */
    CLIENT_FAILED,
};

struct client {
    int descriptor;  /* -1 while not connected */
    bool count_only; /* any bytes will do, if they are as many as they should be */
    enum client_step step;
    const char *failure; /* why it failed, for a person */

    uint64_t size; /* of the exchange's body */
    bool echo;
    char head[160]; /* what is sent before the body */
    size_t head_size;
    uint64_t sent;     /* of head and body together */
    uint64_t received; /* of the answer's body */

    size_t count; /* bytes of the answer's head so far */
    unsigned char buffer[CLIENT_BUFFER_SIZE];
};

/* Connects to 127.0.0.1 without waiting for it. False, with `failure`, when it cannot. */
bool client_connect(struct client *client, uint16_t port);

/* Prepares an exchange: a body of `size` bytes, asked for, or sent and to be sent back. */
void client_begin(struct client *client, uint64_t size, bool echo);

/* Goes on until the socket would block or the exchange is over. */
enum client_result client_drive(struct client *client);

void client_disconnect(struct client *client);

#endif
