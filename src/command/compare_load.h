/* Puts a load on a server that speaks HTTP or RESP: requests over connections that stay open, and slow clients. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_LOAD_H
#define SOCKMALLOC_COMPARE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "command/compare_answer.h"
#include "command/compare_fault.h"
#include "command/compare_server.h"

struct compare_load {
    struct compare_listener listener;
    enum compare_protocol protocol;
    const char *path;      /* what the requests get by HTTP */
    const char *slow_path; /* what the slow clients get by HTTP */
    int connections;
    int clients; /* the number of slow clients */
    double seconds;
};

struct compare_load_result {
    uint64_t requests;
    double seconds;
    double p99; /* milliseconds; one request in a hundred took longer */
};

/* The size of the values that the load stores by RESP, and how many of them a slow client gets. */
enum { COMPARE_VALUE_SIZE = 16384, COMPARE_VALUES = 1000, COMPARE_SLOW_VALUES = 64 };

/*
 * Finds out which protocol the server speaks, and tries a request of the load. Sets the protocol, which stays
 * COMPARE_NO_PROTOCOL if the server speaks neither or does not answer. Returns false, with the fault set, if the server
 * refuses the request: an HTTP status that is no success, or an error of RESP.
 */
bool compare_load_probe(struct compare_load *load, struct compare_fault *fault);

/*
 * Sends requests over all connections, each when the one before is answered, until the time is over. The requests of
 * RESP are SET and GET by turns. Returns false, with the fault set, if too many requests fail. Returns early if a
 * signal ends the comparison; the result is then of no use.
 */
bool compare_load_run(const struct compare_load *load, struct compare_load_result *result, struct compare_fault *fault);

/*
 * Connects the slow clients, each of which sends its request and reads nothing, so that the answer stays in the server.
 * The answer is limited to segments of 1448 bytes, as on an Ethernet, because the kernel's own buffers for a loopback
 * connection could hold more than 2 MiB. Stores the sockets in `sockets`.
 */
bool compare_load_hold(const struct compare_load *load, int *sockets, struct compare_fault *fault);

/* Closes the sockets of the slow clients, all at once. */
void compare_load_leave(const struct compare_load *load, const int *sockets);

#endif
