/* Puts a load on a server that speaks HTTP or RESP: requests over connections that stay open, and slow clients, which
 * do not read their answers. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_load.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bounds.h"
#include "command/compare_wait.h"
#include "command/now.h"

enum {
    REQUEST_SIZE = 2048,
    BUFFER_SIZE = 1 << 18,
    EVENTS_MAX = 64,
    STEP_MILLISECONDS = 50,
    /* a load fails after this many failed requests, if they are more than a tenth of the answered requests */
    FAILURES_MAX = 100,
    SEGMENT_SIZE = 1448,
    SLOW_BUFFER_SIZE = 4096,
    SPARE_DESCRIPTORS = 64,
};

/* the most seconds to wait for one answer when compare_load_probe tests the server, and when values for the slow
 * clients are stored in the server; also the most seconds that a slow client waits until it is connected */
static const double ANSWER_SECONDS = 5;

static char buffer[BUFFER_SIZE]; /* receives the bytes that arrive; the content of an answer's body is ignored */
static char value[COMPARE_VALUE_SIZE + 2];

struct connection {
    int socket; /* or -1 */
    char request[REQUEST_SIZE];
    size_t request_size;
    size_t value_size; /* how many bytes of the global array `value` are sent after the request; 0 to send none */
    size_t sent;
    struct compare_answer answer;
    double started;
    uint64_t answered; /* the number of requests over this socket that were answered */
};

struct latencies {
    uint32_t *microseconds;
    size_t count;
    size_t size;
};

struct run {
    const struct compare_load *load;
    int events;
    double end;
    uint64_t requests;
    uint64_t failures;
    uint64_t drawn; /* the state of the random generator for keys */
    struct latencies latencies;
    char reason[128]; /* why the last request failed */
};

/*
 * Raises the limit of open files of this process to `files` and SPARE_DESCRIPTORS more, as far as that is possible.
 * Leaves a higher limit as it is. Returns the limit that was valid before. The caller sets that limit again, because
 * servers that are started later inherit the limit.
 */
static struct rlimit raise_limit(int files)
{
    struct rlimit before = {0};
    rlim_t wanted = (rlim_t)files + SPARE_DESCRIPTORS;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit limit = before;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = LESSER(wanted, limit.rlim_max);
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return before;
}

/* --- requests --- */

/* Writes a request of HTTP for a path into `request`, which has REQUEST_SIZE bytes. Returns the size of the request. */
static size_t write_get(const struct compare_load *load, const char *path, char *request)
{
    int length =
        snprintf(request, REQUEST_SIZE,
                 "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nUser-Agent: sockmalloc-compare\r\nAccept: */*\r\n\r\n", path,
                 load->listener.port);
    return (size_t)length;
}

static size_t write_resp_get(unsigned key, char *request, size_t size)
{
    return (size_t)snprintf(request, size, "*2\r\n$3\r\nGET\r\n$23\r\nsockmalloc-compare:%04u\r\n", key);
}

static size_t write_resp_set(unsigned key, char *request, size_t size)
{
    return (size_t)snprintf(request, size, "*3\r\n$3\r\nSET\r\n$23\r\nsockmalloc-compare:%04u\r\n$%d\r\n", key,
                            COMPARE_VALUE_SIZE);
}

static unsigned draw_key(struct run *run)
{
    run->drawn = run->drawn * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(run->drawn >> 33) % COMPARE_VALUES;
}

static void make_request(struct run *run, struct connection *connection)
{
    connection->value_size = 0;
    if (run->load->protocol == COMPARE_HTTP) {
        connection->request_size = write_get(run->load, run->load->path, connection->request);
    } else if (run->requests % 2 == 0) {
        connection->request_size = write_resp_set(draw_key(run), connection->request, REQUEST_SIZE);
        connection->value_size = sizeof value;
    } else {
        connection->request_size = write_resp_get(draw_key(run), connection->request, REQUEST_SIZE);
    }
}

/* Fills `value`, which the load stores in the server. The value ends with CR and LF, as each string of RESP does. */
static void fill_value(void)
{
    for (size_t i = 0; i < COMPARE_VALUE_SIZE; i++) {
        value[i] = (char)('a' + (int)(i % 26));
    }
    value[COMPARE_VALUE_SIZE] = '\r';
    value[COMPARE_VALUE_SIZE + 1] = '\n';
}

/* --- one connection that waits --- */

static void set_patience(int socket, double seconds)
{
    struct timeval time = {.tv_sec = (time_t)seconds};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

/* Connects to the server, and waits until the connection is made. Returns the socket, or -1. */
static int connect_waiting(const struct compare_load *load, bool is_slow)
{
    int size = SLOW_BUFFER_SIZE;
    int segment = SEGMENT_SIZE;
    int result = socket(load->listener.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (result < 0) {
        return -1;
    }
    set_patience(result, ANSWER_SECONDS);
    if (is_slow) {
        setsockopt(result, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        setsockopt(result, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    if (connect(result, (const struct sockaddr *)&load->listener.address, load->listener.size) != 0) {
        close(result);
        return -1;
    }
    return result;
}

static bool send_waiting(int socket, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t part = send(socket, bytes, count, MSG_NOSIGNAL);
        if (part <= 0) {
            return false;
        }
        bytes += part;
        count -= (size_t)part;
    }
    return true;
}

/* Reads a whole answer. Returns false if the server sends no valid answer of the protocol in time. */
static bool receive_waiting(int socket, enum compare_protocol protocol, struct compare_answer *answer)
{
    double end = now_seconds() + ANSWER_SECONDS;
    compare_answer_begin(answer);
    while (answer->state != ANSWER_DONE && now_seconds() < end) {
        ssize_t count = recv(socket, buffer, sizeof buffer, 0);
        if (count == 0) {
            return compare_answer_close(answer);
        }
        if (count < 0 || compare_answer_take(answer, protocol, buffer, (size_t)count) < 0) {
            return false;
        }
    }
    return answer->state == ANSWER_DONE;
}

/* Sends a request over a new connection and reads the answer. Returns false if no valid answer comes in time. */
static bool exchange(const struct compare_load *load, enum compare_protocol protocol, const char *request, size_t size,
                     struct compare_answer *answer)
{
    int socket = connect_waiting(load, false);
    bool is_answered = socket >= 0 && send_waiting(socket, request, size) && receive_waiting(socket, protocol, answer);
    if (socket >= 0) {
        close(socket);
    }
    return is_answered;
}

/* Requests a path by HTTP once. Sets load->protocol if the server answers by HTTP. Returns false, with the fault set,
 * only if the status of the answer is no success, for example because the server does not have the path. */
static bool try_path(struct compare_load *load, const char *path, struct compare_fault *fault)
{
    static struct compare_answer answer;
    char request[REQUEST_SIZE];
    size_t size = write_get(load, path, request);
    if (!exchange(load, COMPARE_HTTP, request, size, &answer)) {
        return true;
    }
    load->protocol = COMPARE_HTTP;
    if (answer.status < 200 || answer.status > 299) {
        return compare_fail(fault, EXIT_FAILED, "the server answers GET %s with status %d; %s", path, answer.status,
                            answer.status == 400 ? "a server of TLS needs a command that loads it, by --load"
                                                 : "name a path that it has by --path and --slow-path");
    }
    return true;
}

bool compare_load_probe(struct compare_load *load, struct compare_fault *fault)
{
    /* redis answers the first line and ignores the empty one; a server of HTTP answers with an error */
    static const char ping[] = "PING\r\n\r\n";
    static struct compare_answer answer;
    load->protocol = COMPARE_NO_PROTOCOL;
    if (exchange(load, COMPARE_RESP, ping, sizeof ping - 1, &answer)) {
        load->protocol = COMPARE_RESP;
        return answer.status == 200 || compare_fail(fault, EXIT_FAILED,
                                                    "the server answers PING with %.*s; use --load with a command that "
                                                    "can log in",
                                                    (int)strcspn(answer.head, "\r\n"), answer.head);
    }
    return try_path(load, load->path, fault) &&
           (load->protocol == COMPARE_NO_PROTOCOL || try_path(load, load->slow_path, fault));
}

/* --- the requests --- */

static void keep_latency(struct latencies *latencies, double seconds)
{
    if (latencies->count == latencies->size) {
        size_t size = GREATER(2 * latencies->size, 1 << 16);
        uint32_t *larger = realloc(latencies->microseconds, size * sizeof *larger);
        if (larger == NULL) {
            return; /* if there is no memory, this latency is not stored, and the percentile does not include it */
        }
        latencies->microseconds = larger;
        latencies->size = size;
    }
    latencies->microseconds[latencies->count++] = (uint32_t)(seconds * 1e6);
}

static int order(const void *one, const void *other)
{
    uint32_t left = *(const uint32_t *)one;
    uint32_t right = *(const uint32_t *)other;
    return (left > right) - (left < right);
}

/* Returns the 99th percentile of the latencies in milliseconds. */
static double find_p99(struct latencies *latencies)
{
    if (latencies->count == 0) {
        return 0;
    }
    qsort(latencies->microseconds, latencies->count, sizeof *latencies->microseconds, order);
    size_t index = latencies->count * 99 / 100;
    return latencies->microseconds[index] / 1e3;
}

static void begin_request(struct run *run, struct connection *connection)
{
    make_request(run, connection);
    connection->sent = 0;
    connection->started = now_seconds();
    compare_answer_begin(&connection->answer);
}

static void note_failure(struct run *run, const char *reason)
{
    run->failures++;
    snprintf(run->reason, sizeof run->reason, "%s", reason);
}

/* Begins to connect, without waiting until the connection is made, and prepares the first request. */
static void open_connection(struct run *run, struct connection *connection)
{
    const struct compare_listener *listener = &run->load->listener;
    int on = 1;
    connection->answered = 0;
    connection->socket = socket(listener->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (connection->socket < 0) {
        note_failure(run, strerror(errno));
        return;
    }
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool is_begun = connect(connection->socket, (const struct sockaddr *)&listener->address, listener->size) == 0 ||
                    errno == EINPROGRESS;
    if (!is_begun || epoll_ctl(run->events, EPOLL_CTL_ADD, connection->socket, &event) != 0) {
        note_failure(run, strerror(errno));
        close(connection->socket);
        connection->socket = -1;
        return;
    }
    begin_request(run, connection);
}

static void close_connection(struct connection *connection)
{
    if (connection->socket >= 0) {
        close(connection->socket);
    }
    connection->socket = -1;
}

/* Opens the connection again, after a failure or because the server has closed the connection. */
static void renew(struct run *run, struct connection *connection)
{
    close_connection(connection);
    open_connection(run, connection);
}

static bool send_some(struct connection *connection)
{
    while (connection->sent < connection->request_size + connection->value_size) {
        bool is_value = connection->sent >= connection->request_size;
        const char *from =
            is_value ? value + (connection->sent - connection->request_size) : connection->request + connection->sent;
        size_t end = connection->request_size + (is_value ? connection->value_size : 0);
        ssize_t part = send(connection->socket, from, end - connection->sent,
                            MSG_NOSIGNAL | (is_value || connection->value_size == 0 ? 0 : MSG_MORE));
        if (part < 0) {
            return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
        }
        connection->sent += (size_t)part;
    }
    return true;
}

/* Counts the request of a connection as answered, or as failed if the status of the answer is no success. Begins the
 * next request. */
static void finish_request(struct run *run, struct connection *connection)
{
    int status = connection->answer.status;
    if (status < 200 || status > 299) {
        snprintf(run->reason, sizeof run->reason, "status %d", status);
        run->failures++;
    } else {
        run->requests++;
        keep_latency(&run->latencies, now_seconds() - connection->started);
    }
    connection->answered++;
    if (connection->answer.closes) {
        renew(run, connection);
    } else {
        begin_request(run, connection);
    }
}

/*
 * Handles the end of a connection. If the end completes the answer, the request is finished. Otherwise the end counts
 * as a failure, unless the connection has had answers already and no byte of the next answer has come: a server may
 * close a connection between two requests.
 */
static void lose(struct run *run, struct connection *connection, const char *reason)
{
    if (compare_answer_close(&connection->answer)) {
        connection->answer.closes = true;
        finish_request(run, connection);
        return;
    }
    if (connection->answered == 0 || connection->answer.state != ANSWER_HEAD || connection->answer.used > 0) {
        note_failure(run, reason);
    }
    renew(run, connection);
}

/* Sends and receives over a connection until its socket would block. */
static void drive(struct run *run, struct connection *connection)
{
    for (bool goes_on = true; goes_on && connection->socket >= 0 && now_seconds() < run->end;) {
        if (!send_some(connection)) {
            lose(run, connection, strerror(errno));
            return;
        }
        ssize_t count = recv(connection->socket, buffer, sizeof buffer, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) {
            return;
        }
        if (count <= 0) {
            lose(run, connection, count == 0 ? "the connection was closed" : strerror(errno));
            return;
        }
        if (compare_answer_take(&connection->answer, run->load->protocol, buffer, (size_t)count) < 0) {
            note_failure(run, "the answer is malformed");
            renew(run, connection);
            return;
        }
        if (connection->answer.state == ANSWER_DONE) {
            int socket = connection->socket;
            finish_request(run, connection);
            goes_on = connection->socket == socket;
        }
    }
}

static bool has_failed(const struct run *run)
{
    return run->failures >= FAILURES_MAX && run->failures > run->requests / 10;
}

/* Runs the load until its time is over, until the load has failed, or until a signal has come. */
static void run_events(struct run *run, struct connection *connections)
{
    struct epoll_event events[EVENTS_MAX];
    while (now_seconds() < run->end && !has_failed(run) && !compare_is_stopped()) {
        for (int i = 0; i < run->load->connections && !has_failed(run); i++) {
            if (connections[i].socket < 0) {
                open_connection(run, &connections[i]);
            }
        }
        int count = epoll_wait(run->events, events, EVENTS_MAX, STEP_MILLISECONDS);
        for (int i = 0; i < count; i++) {
            drive(run, events[i].data.ptr);
        }
    }
}

bool compare_load_run(const struct compare_load *load, struct compare_load_result *result, struct compare_fault *fault)
{
    struct run run = {.load = load, .events = epoll_create1(EPOLL_CLOEXEC), .drawn = 1};
    struct connection *connections = calloc((size_t)load->connections, sizeof *connections);
    if (connections == NULL || run.events < 0) {
        free(connections);
        return compare_fail(fault, EXIT_FAILED, "the load can't be started: %s", strerror(errno));
    }
    fill_value();
    double start = now_seconds();
    run.end = start + load->seconds;
    for (int i = 0; i < load->connections; i++) {
        connections[i].socket = -1;
    }
    struct rlimit limit = raise_limit(load->connections);
    run_events(&run, connections);
    setrlimit(RLIMIT_NOFILE, &limit);
    result->seconds = now_seconds() - start;
    result->requests = run.requests;
    result->p99 = find_p99(&run.latencies);
    for (int i = 0; i < load->connections; i++) {
        close_connection(&connections[i]);
    }
    close(run.events);
    free(connections);
    free(run.latencies.microseconds);
    if (has_failed(&run) || run.requests == 0) {
        return compare_fail(fault, EXIT_FAILED, "%" PRIu64 " of %" PRIu64 " requests failed: %s", run.failures,
                            run.failures + run.requests, run.reason[0] != '\0' ? run.reason : "no answer came in time");
    }
    return true;
}

/* --- slow clients --- */

/* Writes the request of a slow client to `request`. Returns the size of the request in bytes. */
static size_t write_slow(const struct compare_load *load, char *request, size_t size)
{
    if (load->protocol == COMPARE_HTTP) {
        return write_get(load, load->slow_path, request);
    }
    size_t used = 0;
    for (unsigned i = 0; i < COMPARE_SLOW_VALUES; i++) {
        used += write_resp_get(i, request + used, size - used);
    }
    return used;
}

/*
 * Stores in the server the values that the slow clients will request. The load that ran before may not have stored
 * these values, because it draws its keys at random.
 */
static bool store_slow_values(const struct compare_load *load)
{
    static struct compare_answer answer;
    char request[REQUEST_SIZE];
    int socket = connect_waiting(load, false);
    bool is_stored = socket >= 0;
    fill_value();
    for (unsigned i = 0; i < COMPARE_SLOW_VALUES && is_stored; i++) {
        size_t size = write_resp_set(i, request, sizeof request);
        is_stored = send_waiting(socket, request, size) && send_waiting(socket, value, sizeof value) &&
                    receive_waiting(socket, COMPARE_RESP, &answer);
    }
    if (socket >= 0) {
        close(socket);
    }
    return is_stored;
}

bool compare_load_hold(const struct compare_load *load, int *sockets, struct compare_fault *fault)
{
    static char request[COMPARE_SLOW_VALUES * 64 + REQUEST_SIZE];
    size_t size = write_slow(load, request, sizeof request);
    int failed = 0;
    int error = 0;
    if (load->protocol == COMPARE_RESP && !store_slow_values(load)) {
        return compare_fail(fault, EXIT_FAILED, "the values for the slow clients can't be stored");
    }
    struct rlimit limit = raise_limit(load->clients);
    for (int i = 0; i < load->clients; i++) {
        bool may_begin = failed <= load->clients / 10 && !compare_is_stopped();
        sockets[i] = may_begin ? connect_waiting(load, true) : -1;
        if (sockets[i] < 0 || !send_waiting(sockets[i], request, size)) {
            error = errno;
            failed++;
        }
    }
    setrlimit(RLIMIT_NOFILE, &limit);
    if (failed > load->clients / 10 && !compare_is_stopped()) {
        compare_load_leave(load, sockets);
        return compare_fail(fault, EXIT_FAILED, "the server did not accept %d slow clients (--clients): %s",
                            load->clients, strerror(error));
    }
    return true;
}

void compare_load_leave(const struct compare_load *load, const int *sockets)
{
    for (int i = 0; i < load->clients; i++) {
        if (sockets[i] >= 0) {
            close(sockets[i]);
        }
    }
}
