/* Starts the server of a comparison, finds the port that it listens on, reads its figures from /proc, and ends it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_SERVER_H
#define SOCKMALLOC_COMPARE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "command/compare_fault.h"
#include "command/compare_keeper.h"

/* An address at which the server listens. If the server listens on all addresses, `address` is a loopback address. */
struct compare_listener {
    int port;
    struct sockaddr_storage address;
    socklen_t size;
};

struct compare_server {
    struct compare_keeper keeper;
    const char *name; /* for messages: the first word of the command */
};

/* What all processes of the server have used so far. The cost of a load is the difference of two readings. */
struct compare_cost {
    double seconds; /* processor time */
    double faults;  /* page faults */
};

/*
 * Starts the server with `library` preloaded. `library` stands in LD_PRELOAD before the libraries that are there
 * already.
 */
bool compare_server_start(struct compare_server *server, char *const *command, const char *library,
                          struct compare_fault *fault);

/* Returns true if a process of the server is left. Otherwise sets the fault, which says how the server ended. */
bool compare_server_lives(struct compare_server *server, struct compare_fault *fault);

/* Ends all processes of the server, and waits for their end. */
void compare_server_end(struct compare_server *server);

/*
 * Stores the TCP sockets on which processes of the server listen, sorted by port. Stores each port once, and at most
 * `most` ports. Returns the number of stored ports. Returns -1, with the fault set, if the sockets of a process may not
 * be read.
 */
int compare_server_listeners(const struct compare_server *server, struct compare_listener *listeners, int most,
                             struct compare_fault *fault);

/* Returns true if a process of the server has the library mapped. One such process is enough, because a shell or other
 * program that starts the server may lack the library. */
bool compare_server_has_loaded(const struct compare_server *server, const char *library);

struct compare_cost compare_server_cost(const struct compare_server *server);

/*
 * Stores the PSS of all processes of the server in MiB. In the sum of the PSS, a page that processes of the server
 * share counts only once. Returns false, with the fault set, if the kernel refuses to tell the PSS.
 */
bool compare_server_memory(const struct compare_server *server, double *mebibytes, struct compare_fault *fault);

#endif
