/* Parses the answers of a server as they arrive in pieces: HTTP/1.x, and RESP, the protocol of redis. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_ANSWER_H
#define SOCKMALLOC_COMPARE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum compare_protocol { COMPARE_NO_PROTOCOL, COMPARE_HTTP, COMPARE_RESP };

enum { COMPARE_HEAD_SIZE = 8192 };

struct compare_answer {
    enum {
        ANSWER_HEAD,        /* reads the head of an HTTP answer, or the first line of a RESP answer */
        ANSWER_BODY,        /* skips `left` bytes, after which the answer is done */
        ANSWER_CHUNK_LINE,  /* reads the size of the next chunk */
        ANSWER_CHUNK,       /* skips `left` bytes, then reads the size of the next chunk */
        ANSWER_TRAILER,     /* reads the lines after the last chunk */
        ANSWER_UNTIL_CLOSE, /* skips all bytes until the server closes the connection */
        ANSWER_DONE,
    } state;
    int status;  /* the HTTP status; for RESP it is 200, or 500 for an error */
    bool closes; /* true if the server closes the connection after this answer */
    uint64_t left;
    size_t used; /* bytes of `head` */
    char head[COMPARE_HEAD_SIZE];
};

void compare_answer_begin(struct compare_answer *answer);

/*
 * Parses bytes that have arrived. Returns the number of bytes that belong to this answer, or -1 if the bytes are no
 * answer of the protocol. The number is less than `count` only if the answer is done.
 */
ptrdiff_t compare_answer_take(struct compare_answer *answer, enum compare_protocol protocol, const char *bytes,
                              size_t count);

/* Handles the end of the connection. Returns true if that end completes the answer. */
bool compare_answer_close(struct compare_answer *answer);

#endif
