/* Runs one exchange of the load generator, a request and its answer, and compares every byte of the answer's body. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "load_client.h"

#include "http.h"
#include "pattern.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum client_result client_fail(struct client *client, const char *failure)
{
    client->failure = failure;
    return CLIENT_FAILED;
}

bool client_connect(struct client *client, uint16_t port)
{
    const int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    client->step = CLIENT_IDLE;
    client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->descriptor < 0) {
        client->failure = strerror(errno);
        return false;
    }
    (void)setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(client->descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS) {
        client->failure = strerror(errno);
        client_disconnect(client);
        return false;
    }
    return true;
}

void client_disconnect(struct client *client)
{
    if (client->descriptor >= 0)
        close(client->descriptor);
    client->descriptor = -1;
    client->step = CLIENT_IDLE;
}

void client_begin(struct client *client, uint64_t size, bool echo)
{
    const char *form = echo ? "POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %ju\r\n\r\n"
                            : "GET /bytes/%ju HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

    client->size = size;
    client->echo = echo;
    client->head_size = (size_t)snprintf(client->head, sizeof(client->head), form, (uintmax_t)size);
    client->sent = 0;
    client->received = 0;
    client->count = 0;
    client->step = CLIENT_SENDING;
}

static enum client_result send_some(struct client *client, const void *bytes, size_t count)
{
    ssize_t put;

    do
        put = send(client->descriptor, bytes, count, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    /* ENOTCONN means that the connection is still being made. */
    if (put < 0)
        return errno == EAGAIN || errno == ENOTCONN ? CLIENT_WAITS : client_fail(client, strerror(errno));
    client->sent += (uint64_t)put;
    return CLIENT_DONE;
}

/* Each function whose name ends in _step does a part of the exchange, and returns CLIENT_DONE if it has made progress.
 * The whole exchange is complete when the client's `step` is CLIENT_IDLE. */
static enum client_result sending_step(struct client *client)
{
    uint64_t offset, count;

    if (client->sent < client->head_size)
        return send_some(client, client->head + client->sent, client->head_size - client->sent);
    offset = client->sent - client->head_size;
    if (!client->echo || offset == client->size) {
        client->step = CLIENT_HEAD;
        return CLIENT_DONE;
    }
    count = client->size - offset;
    if (count > sizeof(client->buffer))
        count = sizeof(client->buffer);
    pattern_fill(client->buffer, count, offset, client->size);
    return send_some(client, client->buffer, count);
}

static enum client_result receive_some(struct client *client, size_t start, size_t *count)
{
    ssize_t got;

    do
        got = recv(client->descriptor, client->buffer + start, sizeof(client->buffer) - start, 0);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return client_fail(client, "the server closed the connection before the answer was complete");
    if (got < 0)
        return errno == EAGAIN ? CLIENT_WAITS : client_fail(client, strerror(errno));
    *count = (size_t)got;
    return CLIENT_DONE;
}

/* Compares received bytes with the same part of the expected body; with `count_only`, checks only that they are not too
 * many. If a byte differs, returns CLIENT_FAILED, and `received` is the offset of the first wrong byte. */
static enum client_result body_check(struct client *client, const unsigned char *bytes, size_t count)
{
    size_t agreed;

    if (count > client->size - client->received)
        return client_fail(client, "more came than the body");
    agreed = client->count_only ? count : pattern_agree(bytes, count, client->received, client->size);
    client->received += agreed;
    return agreed == count ? CLIENT_DONE : client_fail(client, "a byte of the body is wrong");
}

static enum client_result head_step(struct client *client)
{
    struct http_head head;
    size_t got;
    enum client_result result;

    if (client->count == sizeof(client->buffer))
        return client_fail(client, "the head of the answer does not end");
    result = receive_some(client, client->count, &got);
    if (result != CLIENT_DONE)
        return result;
    client->count += got;
    switch (http_parse_answer((const char *)client->buffer, client->count, &head)) {
    case HTTP_PARTIAL:
        return CLIENT_DONE;
    case HTTP_COMPLETE:
        break;
    case HTTP_BAD:
    default:
        return client_fail(client, "the answer is not HTTP/1.1");
    }
    if (head.status != 200)
        return client_fail(client, "the status is not 200");
    if (!head.has_content_length || head.content_length != client->size)
        return client_fail(client, "the body has not the size that was asked for");
    client->step = CLIENT_BODY;
    return body_check(client, client->buffer + head.length, client->count - head.length);
}

static enum client_result body_step(struct client *client)
{
    size_t got;
    enum client_result result;

    if (client->received == client->size) {
        client->step = CLIENT_IDLE;
        return CLIENT_DONE;
    }
    result = receive_some(client, 0, &got);
    return result == CLIENT_DONE ? body_check(client, client->buffer, got) : result;
}

enum client_result client_drive(struct client *client)
{
    enum client_result result;

    do {
        switch (client->step) {
        case CLIENT_SENDING:
            result = sending_step(client);
            break;
        case CLIENT_HEAD:
            result = head_step(client);
            break;
        case CLIENT_BODY:
            result = body_step(client);
            break;
        case CLIENT_IDLE:
        default:
            return CLIENT_WAITS;
        }
    } while (result == CLIENT_DONE && client->step != CLIENT_IDLE);
    return result;
}
