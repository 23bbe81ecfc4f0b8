/* A bounded load: so many exchanges over so many connections, within so many seconds. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_LOAD_RUN_H
#define DEMO_LOAD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_SIZES_MOST = 64,
};

struct load_plan {
    uint16_t port;
    uint64_t connections;
    uint64_t exchanges;  /* in all; 0 means as many as the time allows */
    uint64_t seconds;    /* nothing new begins after that; with a number of exchanges, they must be
                            done by then */
    uint64_t echo_every; /* every so many exchanges one is an echo; 0 for none */
    uint64_t reconnect;  /* a connection is closed after so many exchanges and opened anew; 0 for never */
    uint64_t sizes[LOAD_SIZES_MOST];
    size_t size_count;
    bool count_only; /* a body is good when it has its size: comparing costs more than receiving */
};

struct load_result {
    uint64_t exchanges; /* complete, and as they should be */
    uint64_t errors;
    uint64_t bytes; /* of bodies received */
    double seconds;
};

/* Runs the plan to its end. False when it could not even begin, with errno set. */
bool load_run(const struct load_plan *plan, struct load_result *result);

#endif
