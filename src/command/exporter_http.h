/* Answers HTTP requests for `sockmalloc exporter`, by libmicrohttpd. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_HTTP_H
#define SOCKMALLOC_EXPORTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "command/exporter_print.h"

enum { EXPORTER_SOCKETS = 2 };

/*
 * The type of a function that makes the page for /metrics. `wish` says which figures the page has. The function returns
 * NULL if the page cannot be made. The receiver of the page frees it.
 */
typedef char *exporter_page_maker(const struct exporter_wish *wish, size_t *size);

/* Returns true if the command was built with libmicrohttpd. Without libmicrohttpd, exporter_http_begin returns false,
 * and the other functions do nothing. */
bool exporter_http_is_built(void);

/*
 * Begins to answer requests on a listening socket. This function may be called for at most EXPORTER_SOCKETS sockets.
 * `wish` says which figures the answer to a request without parameters has. Returns false if libmicrohttpd cannot be
 * started. exporter_http_work makes all answers.
 */
bool exporter_http_begin(int socket, exporter_page_maker *make, const struct exporter_wish *wish);

/* Stores the descriptors that are readable when exporter_http_work has something to do. Returns their number. */
unsigned exporter_http_descriptors(int descriptors[EXPORTER_SOCKETS]);

/* Returns after how many milliseconds exporter_http_work must be called at the latest, or -1 if there is no limit. */
int exporter_http_patience(void);

/* Accepts connections and answers the requests that have arrived, without waiting. */
void exporter_http_work(void);

/* Stops answering requests, and closes all connections. */
void exporter_http_end(void);

#endif
