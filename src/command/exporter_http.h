/* Answers HTTP requests for `sockmalloc exporter`, by libmicrohttpd. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_HTTP_H
#define SOCKMALLOC_EXPORTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "command/exporter_print.h"

enum { EXPORTER_SOCKETS = 2 };

/* Makes the page that /metrics has now, by what the request asks for. Returns NULL if that failed. The receiver frees
 * the page. */
typedef char *exporter_page_maker(const struct exporter_wish *wish, size_t *size);

/* Returns true if the command was built with libmicrohttpd. Without it, the other functions do nothing. */
bool exporter_http_is_built(void);

/*
 * Begins to answer on a socket that listens, which may be done EXPORTER_SOCKETS times. `wish` is what a request gets
 * that asks for nothing else. Returns false if there is no memory. All answers are made by exporter_http_work.
 */
bool exporter_http_begin(int socket, exporter_page_maker *make, const struct exporter_wish *wish);

/* Stores the descriptors that are readable when exporter_http_work has something to do. Returns their number. */
unsigned exporter_http_descriptors(int descriptors[EXPORTER_SOCKETS]);

/* Returns after how many milliseconds exporter_http_work must be called at the latest, or -1 if there is no limit. */
int exporter_http_patience(void);

/* Does what is to be done now, without waiting. */
void exporter_http_work(void);

/* Closes all connections. */
void exporter_http_end(void);

#endif
