/* Parses the answers of a server as they arrive in pieces: HTTP/1.x, and RESP, the protocol of redis. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"

void compare_answer_begin(struct compare_answer *answer)
{
    answer->state = ANSWER_HEAD;
    answer->status = 0;
    answer->closes = false;
    answer->left = 0;
    answer->used = 0;
    answer->head[0] = '\0';
}

/*
 * Returns the value of a header, or NULL. `name` consists of a line end, the header's name and a colon. Upper and
 * lower case count as equal.
 */
static const char *find_header(const struct compare_answer *answer, const char *name)
{
    const char *found = strcasestr(answer->head, name);
    return found != NULL ? found + strlen(name) + strspn(found + strlen(name), " \t") : NULL;
}

static bool begins(const char *text, const char *word)
{
    return text != NULL && strncasecmp(text, word, strlen(word)) == 0;
}

/* Handles the complete head of an HTTP answer. Returns false if the text is no head of an HTTP answer. */
static bool judge_head(struct compare_answer *answer)
{
    int major;
    int minor;
    if (sscanf(answer->head, "HTTP/%d.%d %d", &major, &minor, &answer->status) != 3) {
        return false;
    }
    const char *length = find_header(answer, "\r\ncontent-length:");
    const char *encoding = find_header(answer, "\r\ntransfer-encoding:");
    const char *connection = find_header(answer, "\r\nconnection:");
    answer->closes = begins(connection, "close") || (minor == 0 && !begins(connection, "keep-alive"));
    answer->used = 0;
    if (answer->status / 100 == 1) {
        answer->state = ANSWER_HEAD; /* a status of 1xx is an interim answer, which the final answer follows */
    } else if (answer->status == 204 || answer->status == 304) {
        answer->state = ANSWER_DONE;
    } else if (begins(encoding, "chunked")) {
        answer->state = ANSWER_CHUNK_LINE;
    } else if (length != NULL) {
        answer->left = strtoull(length, NULL, 10);
        answer->state = answer->left > 0 ? ANSWER_BODY : ANSWER_DONE;
    } else {
        answer->state = ANSWER_UNTIL_CLOSE;
    }
    return true;
}

static bool judge_chunk_line(struct compare_answer *answer)
{
    char *end;
    answer->left = strtoull(answer->head, &end, 16);
    bool is_number = end != answer->head;
    answer->used = 0;
    answer->state = answer->left > 0 ? ANSWER_CHUNK : ANSWER_TRAILER;
    answer->left += 2; /* the two bytes of the line end after the chunk are skipped, too */
    return is_number;
}

static bool judge_trailer(struct compare_answer *answer)
{
    /* a line of two bytes has only its CR and LF, and this empty line is the last one */
    answer->state = answer->used == 2 ? ANSWER_DONE : ANSWER_TRAILER;
    answer->used = 0;
    return true;
}

/* Handles the first line of a RESP answer. Knows only the kinds of answers that SET, GET and PING get. */
static bool judge_resp(struct compare_answer *answer)
{
    long long size = answer->head[0] == '$' ? strtoll(answer->head + 1, NULL, 10) : -1;
    answer->status = answer->head[0] == '-' ? 500 : 200;
    answer->left = size >= 0 ? (uint64_t)size + 2 : 0;
    answer->state = answer->left > 0 ? ANSWER_BODY : ANSWER_DONE;
    return strchr("+-:$", answer->head[0]) != NULL && answer->head[0] != '\0';
}

/*
 * Appends one byte to a text that is parsed when it is complete: a line, or the head of an HTTP answer. Returns true if
 * the text is complete.
 */
static bool append(struct compare_answer *answer, const char *end, char byte)
{
    size_t length = strlen(end);
    answer->head[answer->used++] = byte;
    answer->head[answer->used] = '\0';
    return answer->used >= length && memcmp(answer->head + answer->used - length, end, length) == 0;
}

/*
 * Parses one byte of a line, or of the head of an HTTP answer. Returns false if the text is not valid in the protocol.
 */
static bool take_text(struct compare_answer *answer, enum compare_protocol protocol, char byte)
{
    bool is_head = answer->state == ANSWER_HEAD && protocol == COMPARE_HTTP;
    if (answer->used + 1 >= sizeof answer->head) {
        return false;
    }
    if (!append(answer, is_head ? "\r\n\r\n" : "\r\n", byte)) {
        return true;
    }
    if (protocol == COMPARE_RESP) {
        return judge_resp(answer);
    }
    return is_head                              ? judge_head(answer)
           : answer->state == ANSWER_CHUNK_LINE ? judge_chunk_line(answer)
                                                : judge_trailer(answer);
}

/* Skips up to `count` bytes of a body. Returns the number of bytes that were skipped. */
static size_t take_body(struct compare_answer *answer, size_t count)
{
    size_t part = LESSER(count, answer->left);
    answer->left -= part;
    if (answer->left == 0) {
        answer->state = answer->state == ANSWER_BODY ? ANSWER_DONE : ANSWER_CHUNK_LINE;
    }
    return part;
}

ptrdiff_t compare_answer_take(struct compare_answer *answer, enum compare_protocol protocol, const char *bytes,
                              size_t count)
{
    size_t taken = 0;
    while (taken < count && answer->state != ANSWER_DONE) {
        if (answer->state == ANSWER_UNTIL_CLOSE) {
            taken = count;
        } else if (answer->state == ANSWER_BODY || answer->state == ANSWER_CHUNK) {
            taken += take_body(answer, count - taken);
        } else if (!take_text(answer, protocol, bytes[taken++])) {
            return -1;
        }
    }
    return (ptrdiff_t)taken;
}

bool compare_answer_close(struct compare_answer *answer)
{
    bool is_complete = answer->state == ANSWER_UNTIL_CLOSE;
    if (is_complete) {
        answer->state = ANSWER_DONE;
    }
    return is_complete;
}
