/* Replaces exporter_http.c where the command was built without libmicrohttpd. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/exporter_http.h"

bool exporter_http_is_built(void)
{
    return false;
}

bool exporter_http_begin(int socket, exporter_page_maker *make, const struct exporter_wish *wish)
{
    (void)socket;
    (void)make;
    (void)wish;
    return false;
}

unsigned exporter_http_descriptors(int descriptors[EXPORTER_SOCKETS])
{
    (void)descriptors;
    return 0;
}

int exporter_http_patience(void)
{
    return -1;
}

void exporter_http_work(void)
{
}

void exporter_http_end(void)
{
}
