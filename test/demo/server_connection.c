/* Runs one connection of the demo server: reads a head and a body, and writes the answer. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "server_connection.h"

#include "number.h"
#include "pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The result of one step of an exchange. */
enum progress {
    PROGRESS_MADE,
    PROGRESS_BLOCKED, /* the socket would block */
    PROGRESS_ENDED,   /* the connection has ended */
};

struct connection *connection_open(int descriptor)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    char *read_buffer = malloc(CONNECTION_READ_SIZE);

    if (connection == NULL || read_buffer == NULL) {
        free(connection);
        free(read_buffer);
        close(descriptor);
        return NULL;
    }
    connection->descriptor = descriptor;
    connection->read_buffer = read_buffer;
    return connection;
}

void connection_close(struct connection *connection)
{
    close(connection->descriptor);
    free(connection->body);
    free(connection->read_buffer);
    free(connection);
}

static bool body_take(struct connection *connection, uint64_t size)
{
    connection->body = malloc(size > 0 ? size : 1);
    connection->body_size = size;
    connection->body_count = 0;
    return connection->body != NULL;
}

static void body_drop(struct connection *connection)
{
    free(connection->body);
    connection->body = NULL;
    connection->body_size = 0;
}

/* Begins the answer. `status` is the status code and the reason phrase, such as `200 OK`. */
static void answer_begin(struct connection *connection, const char *status)
{
    int length = snprintf(connection->answer, sizeof(connection->answer),
                          "HTTP/1.1 %s\r\n"
                          "Content-Type: application/octet-stream\r\n"
                          "Content-Length: %zu\r\n"
                          "Connection: %s\r\n\r\n",
                          status, connection->body_size, connection->last ? "close" : "keep-alive");

    connection->answer_size = (size_t)length;
    connection->sent = 0;
    connection->step = CONNECTION_ANSWER;
}

/* Answers with an error, and then closes the connection, because the bytes that follow cannot be understood. */
static void answer_refuse(struct connection *connection, const char *status)
{
    body_drop(connection);
    connection->last = true;
    answer_begin(connection, status);
}

static void answer_bytes(struct connection *connection, const char *digits)
{
    uint64_t size;

    if (!number_parse(digits, 0, CONNECTION_BODY_LIMIT, &size)) {
        answer_refuse(connection, "400 Bad Request");
        return;
    }
    if (!body_take(connection, size)) {
        answer_refuse(connection, "503 Service Unavailable");
        return;
    }
    pattern_fill(connection->body, connection->body_size, 0, size);
    answer_begin(connection, "200 OK");
}

static void echo_begin(struct connection *connection, const struct http_head *head)
{
    if (head->chunked || !head->has_content_length)
        answer_refuse(connection, "411 Length Required");
    else if (head->content_length > CONNECTION_BODY_LIMIT)
        answer_refuse(connection, "413 Content Too Large");
    else if (!body_take(connection, head->content_length))
        answer_refuse(connection, "503 Service Unavailable");
    else
        connection->step = CONNECTION_BODY;
}

static void exchange_begin(struct connection *connection, const struct http_head *head)
{
    const char bytes[] = "/bytes/";
    bool has_body = head->chunked || head->content_length > 0;

    connection->last = !head->keep_alive;
    if (head->expects)
        answer_refuse(connection, "417 Expectation Failed");
    else if (head->method == HTTP_POST && strcmp(head->target, "/echo") == 0)
        echo_begin(connection, head);
    else if (head->method != HTTP_GET || has_body)
        answer_refuse(connection, "405 Method Not Allowed");
    else if (strncmp(head->target, bytes, strlen(bytes)) == 0)
        answer_bytes(connection, head->target + strlen(bytes));
    else
        answer_begin(connection, "404 Not Found");
}

static void read_buffer_drop(struct connection *connection, size_t count)
{
    connection->read_count -= count;
    memmove(connection->read_buffer, connection->read_buffer + count, connection->read_count);
}

static enum progress receive(struct connection *connection, void *bytes, size_t room, size_t *count)
{
    ssize_t got;

    do
        got = recv(connection->descriptor, bytes, room, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *count += (size_t)got;
        return PROGRESS_MADE;
    }
    return got < 0 && errno == EAGAIN ? PROGRESS_BLOCKED : PROGRESS_ENDED;
}

static enum progress head_step(struct connection *connection)
{
    struct http_head head;

    switch (http_parse_question(connection->read_buffer, connection->read_count, &head)) {
    case HTTP_COMPLETE:
        read_buffer_drop(connection, head.length);
        exchange_begin(connection, &head);
        return PROGRESS_MADE;
    case HTTP_BAD:
        answer_refuse(connection, "400 Bad Request");
        return PROGRESS_MADE;
    case HTTP_PARTIAL:
    default:
        break;
    }
    if (connection->read_count == CONNECTION_READ_SIZE) {
        answer_refuse(connection, "431 Request Header Fields Too Large");
        return PROGRESS_MADE;
    }
    return receive(connection, connection->read_buffer + connection->read_count,
                   CONNECTION_READ_SIZE - connection->read_count, &connection->read_count);
}

static enum progress body_step(struct connection *connection)
{
    size_t missing = connection->body_size - connection->body_count;
    size_t ready = connection->read_count < missing ? connection->read_count : missing;

    if (missing == 0) {
        answer_begin(connection, "200 OK");
        return PROGRESS_MADE;
    }
    if (ready == 0)
        return receive(connection, connection->body + connection->body_count, missing, &connection->body_count);
    memcpy(connection->body + connection->body_count, connection->read_buffer, ready);
    connection->body_count += ready;
    read_buffer_drop(connection, ready);
    return PROGRESS_MADE;
}

static enum progress answer_send(struct connection *connection)
{
    struct iovec pieces[2];
    struct msghdr message = {.msg_iov = pieces};
    size_t skipped = connection->sent;
    ssize_t put;

    if (skipped < connection->answer_size) {
        pieces[message.msg_iovlen].iov_base = connection->answer + skipped;
        pieces[message.msg_iovlen++].iov_len = connection->answer_size - skipped;
        skipped = 0;
    } else {
        skipped -= connection->answer_size;
    }
    if (skipped < connection->body_size) {
        pieces[message.msg_iovlen].iov_base = connection->body + skipped;
        pieces[message.msg_iovlen++].iov_len = connection->body_size - skipped;
    }
    do
        put = sendmsg(connection->descriptor, &message, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno == EAGAIN ? PROGRESS_BLOCKED : PROGRESS_ENDED;
    connection->sent += (size_t)put;
    return PROGRESS_MADE;
}

static enum progress answer_step(struct connection *connection)
{
    if (connection->sent < connection->answer_size + connection->body_size)
        return answer_send(connection);
    body_drop(connection);
    connection->step = CONNECTION_HEAD;
    return connection->last ? PROGRESS_ENDED : PROGRESS_MADE;
}

bool connection_drive(struct connection *connection)
{
    enum progress progress;

    do {
        switch (connection->step) {
        case CONNECTION_HEAD:
            progress = head_step(connection);
            break;
        case CONNECTION_BODY:
            progress = body_step(connection);
            break;
        case CONNECTION_ANSWER:
        default:
            progress = answer_step(connection);
            break;
        }
    } while (progress == PROGRESS_MADE);
    return progress == PROGRESS_BLOCKED;
}
