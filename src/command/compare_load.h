/* Puts a load on a server that speaks HTTP or RESP: requests over connections that stay open, and slow clients, which
 * do not read their answers. */
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
    const char *path;      /* the path that the load requests by HTTP */
    const char *slow_path; /* the path that the slow clients (clients that do not read the answer) request by HTTP */
    int connections;
    int clients; /* the number of slow clients, which do not read their answers */
    double seconds;
};

struct compare_load_result {
    uint64_t requests;
    double seconds;
    double p99; /* the 99th percentile of the latencies in milliseconds */
};

/*
 * The size in bytes of a value that the load stores by RESP, the number of keys, and how many values a slow client
 * requests.
 */
enum { COMPARE_VALUE_SIZE = 16384, COMPARE_VALUES = 1000, COMPARE_SLOW_VALUES = 64 };

/*
 * Finds out which protocol the server speaks: sends PING by RESP, and if that is not answered by RESP, requests
 * load->path and load->slow_path by HTTP. Sets load->protocol, to COMPARE_NO_PROTOCOL if the server speaks neither HTTP
 * nor RESP, or does not answer. Returns false, with the fault set, if the server answers with an HTTP status that is no
 * success, or with an error of RESP.
 */
bool compare_load_probe(struct compare_load *load, struct compare_fault *fault);

/*
 * Sends requests over all connections for load->seconds. Each connection sends its next request when the answer to its
 * last request has come. With RESP, about half of the requests are SET, and the others GET. Returns false, with the
 * fault set, if too many requests fail, or if none is answered. Returns early if a signal ends the comparison; the
 * result must not be used then.
 */
bool compare_load_run(const struct compare_load *load, struct compare_load_result *result, struct compare_fault *fault);

/*
 * Connects the slow clients. Each of them sends a request and reads nothing, so that the answer stays in the server.
 * The TCP segments of the answer are limited to 1448 bytes, as on an Ethernet. Without that limit, the kernel's buffers
 * for a loopback connection could take more than 2 MiB of the answer out of the server. Stores the sockets in
 * `sockets`, or -1 for a client that could not connect. Returns false, with the fault set, if more than a tenth of the
 * clients could not connect and send their request, or if the values that they request by RESP could not be stored.
 */
bool compare_load_hold(const struct compare_load *load, int *sockets, struct compare_fault *fault);

/* Closes the sockets of all slow clients at once. */
void compare_load_leave(const struct compare_load *load, const int *sockets);

#endif
