/* Answers HTTP requests for `sockmalloc exporter`, by libmicrohttpd. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/exporter_http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS = 64, CONNECTION_SECONDS = 20 };

static struct MHD_Daemon *daemons[EXPORTER_SOCKETS];
static unsigned count;
static exporter_page_maker *make_page;
static struct exporter_wish usual;

static const char start_page[] =
    "<!doctype html><title>sockmalloc exporter</title><p><a href=\"/metrics\">/metrics</a>: the programs that run with "
    "sockmalloc; <a href=\"/metrics?each=1\">?each=1</a>: each process; <a href=\"/metrics?wide=1\">?wide=1</a>: all "
    "figures by bucket\n";

bool exporter_http_is_built(void)
{
    return true;
}

/* Sends an answer to an HTTP request. Frees `text` unless `is_constant` is true. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type, char *text,
                              size_t size, bool is_constant)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, text, is_constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        if (!is_constant) {
            free(text);
        }
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_words(struct MHD_Connection *connection, unsigned code, const char *words)
{
    return answer(connection, code, "text/plain; charset=utf-8", (char *)(uintptr_t)words, strlen(words), true);
}

/* The query of a request, the part of the address after "?". */
struct query {
    struct exporter_wish wish;
    bool is_wrong; /* true if the query has an unknown parameter, or a value other than 0 and 1 */
};

/* Stores one parameter of the query, such as each=1 or wide=0, in the struct query at `input`. libmicrohttpd calls this
 * function for each parameter. */
static enum MHD_Result take_word(void *input, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct query *query = input;
    bool is_value = value != NULL && (strcmp(value, "0") == 0 || strcmp(value, "1") == 0);
    if (is_value && strcmp(name, "each") == 0) {
        query->wish.each = value[0] == '1';
    } else if (is_value && strcmp(name, "wide") == 0) {
        query->wish.wide = value[0] == '1';
    } else {
        query->is_wrong = true;
    }
    return MHD_YES;
}

static enum MHD_Result answer_metrics(struct MHD_Connection *connection)
{
    struct query query = {.wish = usual};
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_word, &query);
    if (query.is_wrong) {
        return answer_words(connection, MHD_HTTP_BAD_REQUEST, "the query may have each=0|1 and wide=0|1\n");
    }
    size_t size = 0;
    char *page = make_page(&query.wish, &size);
    if (page == NULL) {
        return answer_words(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the processes could not be read\n");
    }
    return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", page, size, false);
}

/*
 * Answers a request. libmicrohttpd calls this function at least twice for each request. At the first call only the
 * header has arrived. Only at the first call may a request be refused without reading its body.
 */
static enum MHD_Result handle(void *input, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *body, size_t *body_size, void **state)
{
    static int begun;
    (void)input;
    (void)version;
    (void)body;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return answer_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
    }
    if (*state == NULL) {
        *state = &begun;
        return MHD_YES;
    }
    if (*body_size > 0) {
        *body_size = 0; /* the body of a request is ignored */
        return MHD_YES;
    }
    if (strcmp(path, "/metrics") == 0) {
        return answer_metrics(connection);
    }
    if (strcmp(path, "/") == 0) {
        return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8", (char *)(uintptr_t)start_page,
                      strlen(start_page), true);
    }
    return answer_words(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
}

bool exporter_http_begin(int socket, exporter_page_maker *make, const struct exporter_wish *wish)
{
    make_page = make;
    usual = *wish;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, handle, NULL, MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SECONDS, MHD_OPTION_END);
    if (daemon == NULL) {
        return false;
    }
    daemons[count++] = daemon;
    return true;
}

unsigned exporter_http_descriptors(int descriptors[EXPORTER_SOCKETS])
{
    for (unsigned i = 0; i < count; i++) {
        descriptors[i] = MHD_get_daemon_info(daemons[i], MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    }
    return count;
}

int exporter_http_patience(void)
{
    enum { LONGEST = 60000 };
    int patience = -1;
    for (unsigned i = 0; i < count; i++) {
        MHD_UNSIGNED_LONG_LONG milliseconds;
        if (MHD_get_timeout(daemons[i], &milliseconds) == MHD_YES) {
            int least = milliseconds < LONGEST ? (int)milliseconds : LONGEST;
            patience = patience < 0 || least < patience ? least : patience;
        }
    }
    return patience;
}

void exporter_http_work(void)
{
    for (unsigned i = 0; i < count; i++) {
        MHD_run(daemons[i]);
    }
}

void exporter_http_end(void)
{
    while (count > 0) {
        MHD_stop_daemon(daemons[--count]);
    }
}
