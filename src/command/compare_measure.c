/* Measures one turn of a comparison: the server under one allocator, from its start to its end. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_measure.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/bounds.h"
#include "command/compare_load.h"
#include "command/compare_server.h"
#include "command/compare_wait.h"
#include "command/now.h"

enum { PORTS_MAX = 32, RECENT = 64, STEADY_SAMPLES = 10 };

static const double LISTEN_SECONDS = 30; /* the server must begin to listen within this time */
static const double ANSWER_SECONDS = 5;  /* a server that listens must answer a request within this time */
static const double REST_SECONDS = 0.5;  /* the pause between the server's first answer and the load */
static const double POLL_SECONDS = 0.05;
static const double SAMPLE_SECONDS = 1.0 / COMPARE_STEPS_A_SECOND;
/* the connections of the slow clients are closed after this time, even if the memory still grows */
static const double HOLD_SECONDS = 10;

struct sample {
    double time;
    double mebibytes;
};

struct measurement {
    struct compare_result *result;
    struct compare_turn *turn;
    struct compare_server server;
    struct compare_load load;
    struct compare_fault *fault;
    /* the last samples of the memory before the end of the burst of load, in a ring buffer */
    struct sample recent[RECENT];
    int samples;
    double peak;
};

/* --- the start --- */

/* Returns the listener that has this port, or NULL. */
static const struct compare_listener *find_port(const struct compare_listener *listeners, int count, int port)
{
    for (int i = 0; i < count; i++) {
        if (listeners[i].port == port) {
            return &listeners[i];
        }
    }
    return NULL;
}

/* Writes the ports of the listeners, such as "80, 443". */
static void list_ports(const struct compare_listener *listeners, int count, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%d", i > 0 ? ", " : "", listeners[i].port);
    }
}

/*
 * Looks for a listener that answers the request of the built-in load with success. Returns false if there is none. If a
 * listener has refused the request, sets the fault.
 */
static bool find_answer(struct measurement *measurement, const struct compare_listener *listeners, int count)
{
    for (int i = 0; i < count; i++) {
        measurement->load.listener = listeners[i];
        if (compare_load_probe(&measurement->load, measurement->fault) &&
            measurement->load.protocol != COMPARE_NO_PROTOCOL) {
            /* clears the fault, because an earlier listener may have refused the request, which sets the fault */
            measurement->fault->code = EXIT_DONE;
            return true;
        }
    }
    return false;
}

/*
 * Chooses a listener for the load. Returns false if no listener can be used yet. If the user has given a command for
 * the load, no request is sent to the listener, because the protocol is unknown.
 */
static bool take_listener(struct measurement *measurement, const struct compare_listener *listeners, int count)
{
    const struct compare_result *result = measurement->result;
    const struct compare_listener *given =
        result->port_is_given ? find_port(listeners, count, result->port) : listeners;
    if (count == 0 || given == NULL) {
        return false;
    }
    if (result->load == NULL) {
        return find_answer(measurement, given, result->port_is_given ? 1 : count);
    }
    measurement->load.listener = *given;
    return result->port_is_given || count == 1;
}

/* Sets the fault, which says why the server could not be used in time. */
static bool report_unusable(struct measurement *measurement, const struct compare_listener *listeners, int count)
{
    const struct compare_result *result = measurement->result;
    char ports[128];
    list_ports(listeners, count, ports, sizeof ports);
    if (measurement->fault->code != EXIT_DONE) {
        return false; /* the server has refused a request, and the fault is set */
    }
    if (count == 0) {
        return compare_fail(measurement->fault, EXIT_FAILED, "%s did not listen on a TCP port within %g s",
                            measurement->server.name, LISTEN_SECONDS);
    }
    if (result->port_is_given && find_port(listeners, count, result->port) == NULL) {
        return compare_fail(measurement->fault, EXIT_FAILED, "%s listens on port %s, and not on port %d",
                            measurement->server.name, ports, result->port);
    }
    if (result->load != NULL) {
        return compare_fail(measurement->fault, EXIT_USAGE, "%s listens on the ports %s: choose one by --port",
                            measurement->server.name, ports);
    }
    return compare_fail(measurement->fault, EXIT_FAILED,
                        "%s on port %s speaks neither HTTP nor RESP; give a command that loads it by --load",
                        measurement->server.name, ports);
}

/* Waits until the server can be used. Returns false, with the fault set, if it cannot be used in time. */
static bool wait_for_server(struct measurement *measurement)
{
    struct compare_listener listeners[PORTS_MAX];
    double start = now_seconds();
    double heard = 0; /* the time at which the first listener was found */
    int count = 0;
    for (;;) {
        if (!compare_server_lives(&measurement->server, measurement->fault)) {
            return false;
        }
        measurement->fault->code = EXIT_DONE;
        count = compare_server_listeners(&measurement->server, listeners, PORTS_MAX, measurement->fault);
        if (count < 0) {
            return false;
        }
        if (take_listener(measurement, listeners, count)) {
            return true;
        }
        heard = heard == 0 && count > 0 ? now_seconds() : heard;
        bool is_late = now_seconds() - start > LISTEN_SECONDS || (heard > 0 && now_seconds() - heard > ANSWER_SECONDS);
        if (is_late && compare_server_lives(&measurement->server, measurement->fault)) {
            return report_unusable(measurement, listeners, count);
        }
        if (!compare_wait(POLL_SECONDS)) {
            return false;
        }
    }
}

/* --- memory --- */

/* Samples the memory of the server. Returns false, with the fault set, if the server has ended or may not be read. */
static bool take_sample(struct measurement *measurement, double *mebibytes)
{
    if (!compare_server_lives(&measurement->server, measurement->fault) ||
        !compare_server_memory(&measurement->server, mebibytes, measurement->fault)) {
        return false;
    }
    measurement->peak = GREATER(measurement->peak, *mebibytes);
    measurement->recent[measurement->samples % RECENT] =
        (struct sample){.time = now_seconds(), .mebibytes = *mebibytes};
    measurement->samples++;
    return true;
}

/* Returns the memory in MiB at `time`: the last sample that was taken at that time or before, or the oldest sample that
 * is kept. */
static double find_sample(const struct measurement *measurement, double time)
{
    int first = GREATER(measurement->samples - RECENT, 0);
    double found = measurement->recent[first % RECENT].mebibytes;
    for (int i = first; i < measurement->samples && measurement->recent[i % RECENT].time <= time; i++) {
        found = measurement->recent[i % RECENT].mebibytes;
    }
    return found;
}

/* Fills the part of the curve before `end`, the time at which the burst of load ended. */
static void fill_before(struct measurement *measurement, double end)
{
    for (int i = 0; i < COMPARE_CURVE_BEFORE * COMPARE_STEPS_A_SECOND; i++) {
        measurement->turn->curve[i] = (float)find_sample(measurement, end + compare_curve_second(i));
    }
}

/*
 * Samples the memory at each step of the curve after `end`, the time at which the burst of load ended. If a step comes
 * too late by SAMPLE_SECONDS or more, the memory is not sampled, and the step gets the value of the step before. The
 * two steps whose memory is compared between allocators are sampled even then.
 */
static bool sample_after(struct measurement *measurement, double end)
{
    const struct compare_result *result = measurement->result;
    struct compare_turn *turn = measurement->turn;
    double value = find_sample(measurement, end);
    int first = COMPARE_CURVE_BEFORE * COMPARE_STEPS_A_SECOND;
    int soon = first + (int)(result->soon * COMPARE_STEPS_A_SECOND);
    int last = compare_curve_steps(result) - 1;
    turn->curve[first] = (float)value;
    for (int i = first + 1; i <= last; i++) {
        double wait = end + compare_curve_second(i) - now_seconds();
        bool is_figure = i == soon || i == last;
        if (!compare_wait(wait) || ((wait > -SAMPLE_SECONDS || is_figure) && !take_sample(measurement, &value))) {
            return false;
        }
        turn->curve[i] = (float)value;
    }
    turn->figure[COMPARE_SOON] = (double)turn->curve[soon];
    turn->figure[COMPARE_LATE] = (double)turn->curve[last];
    return true;
}

/* --- loads --- */

/* Stores the figures of a load. `requests` is 0 if the number of requests is unknown. */
static void keep_cost(struct measurement *measurement, struct compare_cost before, double seconds, double requests,
                      double p99)
{
    struct compare_cost after = compare_server_cost(&measurement->server);
    double *figure = measurement->turn->figure;
    bool is_known = requests > 0;
    figure[COMPARE_LOAD_SECONDS] = seconds;
    figure[COMPARE_LOAD_CPU] = after.seconds - before.seconds;
    figure[COMPARE_LOAD_FAULTS] = after.faults - before.faults;
    figure[COMPARE_RATE] = is_known ? requests / seconds : NAN;
    figure[COMPARE_CPU] = is_known ? figure[COMPARE_LOAD_CPU] * 1e6 / requests : NAN;
    figure[COMPARE_FAULTS] = is_known ? figure[COMPARE_LOAD_FAULTS] / requests : NAN;
    figure[COMPARE_P99] = p99;
}

/* Samples the memory while the slow clients hold their connections, until the memory no longer grows, but for at most
 * HOLD_SECONDS. */
static bool sample_while_held(struct measurement *measurement)
{
    double start = now_seconds();
    double most = 0;
    int steady = 0;
    while (steady < STEADY_SAMPLES && now_seconds() - start < HOLD_SECONDS) {
        double value;
        if (!compare_wait(SAMPLE_SECONDS) || !take_sample(measurement, &value)) {
            return false;
        }
        steady = value > most ? 0 : steady + 1;
        most = GREATER(most, value);
    }
    return true;
}

/* Connects the slow clients (which do not read their answers), and later closes their connections. Stores the time of
 * the closing in *end. */
static bool play_burst(struct measurement *measurement, double *end)
{
    int *sockets = calloc((size_t)measurement->load.clients, sizeof *sockets);
    if (sockets == NULL) {
        return compare_fail(measurement->fault, EXIT_FAILED, "no memory for the slow clients");
    }
    bool is_held = compare_load_hold(&measurement->load, sockets, measurement->fault);
    bool is_good = is_held && sample_while_held(measurement);
    if (is_held) {
        compare_load_leave(&measurement->load, sockets);
    }
    *end = now_seconds();
    free(sockets);
    return is_good;
}

/* Runs the built-in load: first the requests, then the slow clients. */
static bool play(struct measurement *measurement, compare_stage *stage, void *input, double *end)
{
    struct compare_load_result load;
    struct compare_cost before = compare_server_cost(&measurement->server);
    stage(input, "requests over connections that stay open");
    bool has_run = compare_load_run(&measurement->load, &load, measurement->fault);
    if (compare_is_stopped() || !compare_server_lives(&measurement->server, measurement->fault) || !has_run) {
        return false;
    }
    keep_cost(measurement, before, load.seconds, (double)load.requests, load.p99);
    stage(input, "slow clients, which leave together");
    return take_sample(measurement, &measurement->turn->figure[COMPARE_STEADY]) && play_burst(measurement, end);
}

/* Finds a line of the text that begins with the word, and returns the number after the word. Returns NAN if there is no
 * such line. */
static double find_number(const char *text, const char *word)
{
    size_t length = strlen(word);
    double number;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += line == text ? 0 : 1;
        if (strncmp(line, word, length) == 0 && sscanf(line + length, "%lf", &number) == 1) {
            return number;
        }
    }
    return NAN;
}

/* Starts the user's command for the load. Environment variables tell the command where the server listens. */
static bool start_load(struct measurement *measurement, struct compare_keeper *keeper)
{
    const struct compare_listener *listener = &measurement->load.listener;
    char host[INET6_ADDRSTRLEN];
    char *variables[4] = {NULL};
    const void *address = listener->address.ss_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)&listener->address)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)&listener->address)->sin_addr;
    char *command[] = {"/bin/sh", "-c", (char *)(size_t)measurement->result->load, NULL};
    inet_ntop(listener->address.ss_family, address, host, sizeof host);
    bool is_made = asprintf(&variables[0], "SOCKMALLOC_COMPARE_HOST=%s", host) >= 0 &&
                   asprintf(&variables[1], "SOCKMALLOC_COMPARE_PORT=%d", listener->port) >= 0 &&
                   asprintf(&variables[2], "SOCKMALLOC_COMPARE_SECONDS=%g", measurement->result->seconds) >= 0;
    bool is_started = is_made ? compare_keeper_start(keeper, command, variables, measurement->fault)
                              : compare_fail(measurement->fault, EXIT_FAILED, "no memory for the environment");
    for (int i = 0; i < 3; i++) {
        free(variables[i]);
    }
    return is_started;
}

/* Samples the memory until the user's load has ended. Returns false if the server has ended or a signal has come. */
static bool sample_during(struct measurement *measurement, struct compare_keeper *keeper)
{
    double value;
    do {
        if (!take_sample(measurement, &value) || !compare_wait(SAMPLE_SECONDS)) {
            return false;
        }
        compare_keeper_look(keeper);
    } while (!keeper->has_ended);
    return true;
}

/* Runs the user's command for the load. The end of the command is taken as the end of the burst of load. */
static bool play_users(struct measurement *measurement, compare_stage *stage, void *input, double *end)
{
    struct compare_keeper keeper;
    char how[COMPARE_SAID_SIZE + 64];
    double start = now_seconds();
    struct compare_cost before = compare_server_cost(&measurement->server);
    stage(input, "the load");
    if (!start_load(measurement, &keeper)) {
        return false;
    }
    bool is_good = sample_during(measurement, &keeper);
    *end = now_seconds();
    compare_keeper_end(&keeper);
    if (!is_good) {
        return false;
    }
    if (keeper.report.status != 0) {
        compare_keeper_describe(&keeper, how, sizeof how);
        return compare_fail(measurement->fault, EXIT_FAILED, "the load ended with %s", how);
    }
    double requests = find_number(keeper.report.said, "requests ");
    keep_cost(measurement, before, *end - start, isnan(requests) ? 0 : requests,
              find_number(keeper.report.said, "p99 "));
    measurement->turn->figure[COMPARE_STEADY] = measurement->turn->figure[COMPARE_START];
    return true;
}

/* Measures the server, which compare_measure has started. */
static bool measure(struct measurement *measurement, const char *library, compare_stage *stage, void *input)
{
    struct compare_result *result = measurement->result;
    struct compare_turn *turn = measurement->turn;
    double end = 0;
    stage(input, "the server starts");
    if (!wait_for_server(measurement)) {
        return false;
    }
    result->port = measurement->load.listener.port;
    result->protocol = measurement->load.protocol;
    if (!compare_server_has_loaded(&measurement->server, library)) {
        return compare_fail(measurement->fault, EXIT_REFUSED,
                            "%s was not loaded by %s, which has privileges of its own, is static, or drops LD_PRELOAD",
                            library, measurement->server.name);
    }
    if (!compare_wait(REST_SECONDS) || !take_sample(measurement, &turn->figure[COMPARE_START])) {
        return false;
    }
    bool is_played =
        result->load != NULL ? play_users(measurement, stage, input, &end) : play(measurement, stage, input, &end);
    if (!is_played) {
        return false;
    }
    fill_before(measurement, end);
    turn->figure[COMPARE_PEAK] = measurement->peak;
    stage(input, "what comes back after the burst");
    return sample_after(measurement, end);
}

bool compare_measure(struct compare_result *result, const char *library, struct compare_turn *turn,
                     compare_stage *stage, void *input, struct compare_fault *fault)
{
    struct measurement measurement = {.result = result,
                                      .turn = turn,
                                      .fault = fault,
                                      .load = {.path = result->path,
                                               .slow_path = result->slow_path,
                                               .connections = result->connections,
                                               .clients = result->clients,
                                               .seconds = result->seconds}};
    *fault = (struct compare_fault){.code = EXIT_DONE};
    if (!compare_server_start(&measurement.server, result->command, library, fault)) {
        return false;
    }
    bool is_measured = measure(&measurement, library, stage, input);
    compare_server_end(&measurement.server);
    return is_measured;
}
