/* The event loop of the load generator: keeps every connection busy until the planned load is done. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "load_run.h"

#include "load_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    /* how many errors are printed at most; after the server has ended, every exchange fails in the same way */
    ERRORS_SHOWN = 10,
    /* in seconds: how much longer the exchanges may take that are still running when the planned time is over */
    GRACE = 10,
};

struct load {
    const struct load_plan *plan;
    struct load_result *result;
    int epoll;
    double started;
    uint64_t begun;  /* how many exchanges were begun */
    uint64_t active; /* how many clients have a running exchange */
};

struct member {
    struct client client;
    uint64_t served; /* how many exchanges the present connection has had */
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool load_goes_on(const struct load *load)
{
    if (load->plan->exchanges > 0 && load->begun >= load->plan->exchanges)
        return false;
    return seconds_now() - load->started < (double)load->plan->seconds;
}

static void error_count(struct load *load, const struct client *client)
{
    if (load->result->errors++ < ERRORS_SHOWN)
        fprintf(stderr, "demo-load: %s of %ju bytes, at byte %ju of the answer's body: %s\n",
                client->echo ? "echo" : "body", (uintmax_t)client->size, (uintmax_t)client->received, client->failure);
}

static bool member_connect(struct load *load, struct member *member)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = member,
    };

    member->served = 0;
    if (!client_connect(&member->client, load->plan->port))
        return false;
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, member->client.descriptor, &event) == 0)
        return true;
    member->client.failure = "epoll_ctl";
    client_disconnect(&member->client);
    return false;
}

/* Begins the next exchange on this connection. If all planned exchanges have begun, or the planned time is over,
 * closes the connection and returns false. */
static bool member_begin(struct load *load, struct member *member)
{
    const struct load_plan *plan = load->plan;

    while (load_goes_on(load)) {
        uint64_t number = load->begun++;
        bool echo = plan->echo_every > 0 && number % plan->echo_every == plan->echo_every - 1;

        client_begin(&member->client, plan->sizes[number % plan->size_count], echo);
        if (plan->reconnect > 0 && member->served >= plan->reconnect)
            client_disconnect(&member->client);
        if (member->client.descriptor >= 0 || member_connect(load, member)) {
            member->client.step = CLIENT_SENDING;
            return true;
        }
        error_count(load, &member->client);
    }
    client_disconnect(&member->client);
    return false;
}

static void member_drive(struct load *load, struct member *member)
{
    enum client_result result;

    while (member->client.step != CLIENT_IDLE) {
        result = client_drive(&member->client);
        if (result == CLIENT_WAITS)
            return;
        if (result == CLIENT_DONE) {
            member->served++;
            load->result->exchanges++;
            load->result->bytes += member->client.received;
        } else {
            error_count(load, &member->client);
            client_disconnect(&member->client);
        }
        if (!member_begin(load, member))
            load->active--;
    }
}

static void load_loop(struct load *load)
{
    struct epoll_event events[64];
    double end = load->started + (double)load->plan->seconds + GRACE;

    while (load->active > 0) {
        double left = end - seconds_now();
        int count;

        if (left <= 0)
            return;
        count = epoll_wait(load->epoll, events, 64, (int)(left * 1000) + 1);
        if (count < 0 && errno != EINTR)
            return;
        for (int i = 0; i < count; i++)
            member_drive(load, events[i].data.ptr);
    }
}

/* Counts each planned exchange that was not complete in time as an error. */
static void count_missing(const struct load *load)
{
    struct load_result *result = load->result;
    uint64_t wanted = load->plan->exchanges > 0 ? load->plan->exchanges : load->begun;

    if (wanted > result->exchanges + result->errors) {
        uint64_t missing = wanted - result->exchanges - result->errors;

        fprintf(stderr, "demo-load: %ju exchanges were not complete in time\n", (uintmax_t)missing);
        result->errors += missing;
    }
}

bool load_run(const struct load_plan *plan, struct load_result *result)
{
    struct load load = {.plan = plan, .result = result, .started = seconds_now()};
    struct member *members = calloc(plan->connections, sizeof(*members));

    *result = (struct load_result){.exchanges = 0};
    if (members == NULL)
        return false;
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0) {
        free(members);
        return false;
    }
    for (uint64_t i = 0; i < plan->connections; i++) {
        members[i].client.descriptor = -1;
        members[i].client.count_only = plan->count_only;
        if (member_begin(&load, &members[i]))
            load.active++;
    }
    load_loop(&load);
    count_missing(&load);
    for (uint64_t i = 0; i < plan->connections; i++)
        client_disconnect(&members[i].client);
    close(load.epoll);
    free(members);
    result->seconds = seconds_now() - load.started;
    return true;
}
