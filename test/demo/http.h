/* Parses the head of an HTTP/1.1 message in a buffer that may hold only a part of it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_HTTP_H
#define DEMO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* the size of the buffer for a request's target, with its NUL; a message with a longer target is HTTP_BAD */
    HTTP_TARGET_SIZE = 128,
};

enum http_method {
    HTTP_GET,
    HTTP_POST,
    HTTP_OTHER,
};

enum http_result {
    HTTP_COMPLETE, /* the whole head was in the buffer */
    HTTP_PARTIAL,  /* more bytes are needed */
    HTTP_BAD,      /* this is no head of HTTP/1.0 or HTTP/1.1 that is supported, whatever bytes may follow */
};

struct http_head {
    size_t length; /* the length of the head, including the empty line that ends it */
    enum http_method method;
    char target[HTTP_TARGET_SIZE];
    unsigned status; /* the status of an answer, such as 200 */
    uint64_t content_length;
    bool has_content_length;
    bool keep_alive;
    bool chunked; /* the body has a transfer coding; no transfer coding is supported */
    bool expects; /* the client waits for `100 Continue` before it sends the body */
};

enum http_result http_parse_question(const char *bytes, size_t count, struct http_head *head);
enum http_result http_parse_answer(const char *bytes, size_t count, struct http_head *head);

#endif
