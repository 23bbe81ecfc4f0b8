/* Reads the head of an HTTP/1.1 message out of a buffer that may hold only a part of it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_HTTP_H
#define DEMO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_TARGET_SIZE = 128, /* longest target that is kept, with its ending zero */
};

enum http_method {
    HTTP_GET,
    HTTP_POST,
    HTTP_OTHER,
};

enum http_result {
    HTTP_COMPLETE, /* the whole head was there */
    HTTP_PARTIAL,  /* read more and ask again */
    HTTP_BAD,      /* this can never become a head */
};

struct http_head {
    size_t length; /* of the head, with the empty line that ends it */
    enum http_method method;
    char target[HTTP_TARGET_SIZE];
    unsigned status; /* of an answer */
    uint64_t content_length;
    bool has_content_length;
    bool keep_alive;
    bool chunked; /* some transfer coding, none of which is spoken here */
    bool expects; /* the client waits to be told to go on */
};

enum http_result http_parse_question(const char *bytes, size_t count, struct http_head *head);
enum http_result http_parse_answer(const char *bytes, size_t count, struct http_head *head);

#endif
