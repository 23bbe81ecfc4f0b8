/* Runs a load: a number of exchanges over several connections, within a time limit. */
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
    uint64_t exchanges; /* the number of all exchanges; 0 means as many as the time allows */
    /*
     * no exchange begins after this time; if `exchanges` is not 0, each exchange that has not begun by then is an error
     */
    uint64_t seconds;
    /* one exchange in this many is an echo, whose body the client sends and gets back; 0 for none */
    uint64_t echo_every;
    uint64_t reconnect; /* a connection is closed and opened again after this number of exchanges; 0 for never */
    uint64_t sizes[LOAD_SIZES_MOST];
    size_t size_count;
    bool count_only; /* checks only the sizes of bodies, because comparing their bytes costs more than receiving them */
};

struct load_result {
    uint64_t exchanges; /* how many exchanges were complete and right */
    uint64_t errors;
    uint64_t bytes; /* how many bytes of bodies were received */
    double seconds;
};

/* Runs the plan to its end. Returns false, with errno set, if the load could not begin. */
bool load_run(const struct load_plan *plan, struct load_result *result);

#endif
