/* The load generator of the demo: reads the options, runs the load, prints one line of summary. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "load_run.h"
#include "number.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGEST_BODY = 16 * 1024 * 1024,
    CONNECTIONS_MOST = 900, /* fewer than 1024, the default limit on the open files of a process */
};

static const char default_sizes[] = "4k,8k,16k,16390,16712,17408,32k,33024,64k,66000,128k,200000,256k,512k,1m";

static const struct argp_option option_rows[] = {
    {.name = "port", .key = 'p', .arg = "PORT", .doc = "the server's port on 127.0.0.1"},
    {.name = "connections", .key = 'c', .arg = "N", .doc = "so many at a time (32)"},
    {.name = "exchanges", .key = 'n', .arg = "N", .doc = "in all; 0: as many as the time allows (2000)"},
    {.name = "seconds", .key = 's', .arg = "N", .doc = "begin nothing new after that (30)"},
    {.name = "echo-every", .key = 'e', .arg = "N", .doc = "every so many exchanges one is an echo; 0: none (4)"},
    {.name = "reconnect", .key = 'r', .arg = "N", .doc = "close a connection after so many exchanges; 0: never (50)"},
    {.name = "sizes", .key = 'b', .arg = "N,N...", .doc = "sizes of the bodies, in turn (4k to 1m)"},
    {.name = "count-only",
     .key = 'o',
     .doc = "count the bytes and compare none: for measuring a server, not for testing it"},
    {0},
};

static bool sizes_parse(const char *text, struct load_plan *plan)
{
    plan->size_count = 0;
    for (;;) {
        size_t used;

        if (plan->size_count == LOAD_SIZES_MOST)
            return false;
        used = number_read(text, LARGEST_BODY, &plan->sizes[plan->size_count]);
        if (used == 0)
            return false;
        plan->size_count++;
        text += used;
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

static bool port_parse(const char *text, uint16_t *port)
{
    uint64_t number;

    if (!number_parse(text, 1, UINT16_MAX, &number))
        return false;
    *port = (uint16_t)number;
    return true;
}

static error_t option_take(int key, char *text, struct argp_state *state)
{
    struct load_plan *plan = state->input;
    bool good;

    switch (key) {
    case 'p':
        good = port_parse(text, &plan->port);
        break;
    case 'c':
        good = number_parse(text, 1, CONNECTIONS_MOST, &plan->connections);
        break;
    case 'n':
        good = number_parse(text, 0, UINT32_MAX, &plan->exchanges);
        break;
    case 's':
        good = number_parse(text, 1, 24 * 60 * 60, &plan->seconds);
        break;
    case 'e':
        good = number_parse(text, 0, UINT32_MAX, &plan->echo_every);
        break;
    case 'r':
        good = number_parse(text, 0, UINT32_MAX, &plan->reconnect);
        break;
    case 'b':
        good = sizes_parse(text, plan);
        break;
    case 'o':
        plan->count_only = true;
        return 0;
    case ARGP_KEY_END:
        if (plan->port == 0)
            argp_error(state, "--port is missing");
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    if (!good)
        argp_error(state, "'%s' is not what this option takes", text);
    return 0;
}

static const struct argp parser = {
    .options = option_rows,
    .parser = option_take,
    .doc = "Puts a bounded load on demo-server, and compares every byte of every body with what it "
           "should be."
           "\vPrints one line of summary. The exit status is 0 only if every exchange was made and "
           "every "
           "body was right. Numbers may end in k or m.",
};

int main(int argc, char **argv)
{
    struct load_plan plan = {
        .connections = 32,
        .exchanges = 2000,
        .seconds = 30,
        .echo_every = 4,
        .reconnect = 50,
    };
    struct load_result result;

    if (!sizes_parse(default_sizes, &plan))
        abort();
    argp_parse(&parser, argc, argv, 0, NULL, &plan);
    if (!load_run(&plan, &result)) {
        fprintf(stderr, "demo-load: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    printf("demo-load: %ju exchanges over %ju connections, %ju bytes %s, %ju errors, %.2f s, "
           "%.0f exchanges a second\n",
           (uintmax_t)result.exchanges, (uintmax_t)plan.connections, (uintmax_t)result.bytes,
           plan.count_only ? "counted" : "compared", (uintmax_t)result.errors, result.seconds,
           result.seconds > 0 ? (double)result.exchanges / result.seconds : 0.0);
    /* A run in which no exchange succeeded is a failure, even if there was no error. */
    return result.errors == 0 && result.exchanges > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
