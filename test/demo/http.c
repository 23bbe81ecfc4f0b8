/* Parses the head of an HTTP/1.1 message: the first line, and the fields that decide where the body ends. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "http.h"

#include "number.h"

#include <string.h>
#include <strings.h>

/* a part of the head of an HTTP message, without a NUL at its end */
struct piece {
    const char *start;
    size_t length;
};

static bool piece_is(struct piece piece, const char *text)
{
    return piece.length == strlen(text) && strncasecmp(piece.start, text, piece.length) == 0;
}

static struct piece piece_trim(struct piece piece)
{
    while (piece.length > 0 && (*piece.start == ' ' || *piece.start == '\t')) {
        piece.start++;
        piece.length--;
    }
    while (piece.length > 0 && (piece.start[piece.length - 1] == ' ' || piece.start[piece.length - 1] == '\t'))
        piece.length--;
    return piece;
}

/* Cuts the text before the first occurrence of `end` off the front of `rest`, and stores it in `cut`. Drops the
 * occurrence of `end` itself. Returns false if `rest` does not contain `end`. */
static bool piece_cut(struct piece *rest, const char *end, struct piece *cut)
{
    const char *found = memmem(rest->start, rest->length, end, strlen(end));

    if (found == NULL)
        return false;
    cut->start = rest->start;
    cut->length = (size_t)(found - rest->start);
    rest->start = found + strlen(end);
    rest->length -= cut->length + strlen(end);
    return true;
}

static bool field_length(struct piece value, struct http_head *head)
{
    char digits[24];

    /* A message with two lengths is refused, because a client could use them to hide one message in the body of
     * another. */
    if (head->has_content_length || value.length >= sizeof(digits))
        return false;
    memcpy(digits, value.start, value.length);
    digits[value.length] = '\0';
    head->has_content_length = true;
    return strspn(digits, "0123456789") == value.length && number_parse(digits, 0, INT64_MAX, &head->content_length);
}

static bool field_apply(struct piece line, struct http_head *head)
{
    struct piece name;

    if (!piece_cut(&line, ":", &name) || name.length == 0)
        return false;
    line = piece_trim(line);
    if (piece_is(name, "content-length"))
        return field_length(line, head);
    if (piece_is(name, "transfer-encoding"))
        head->chunked = true;
    if (piece_is(name, "expect"))
        head->expects = true;
    if (piece_is(name, "connection")) {
        if (piece_is(line, "close"))
            head->keep_alive = false;
        else if (piece_is(line, "keep-alive"))
            head->keep_alive = true;
    }
    return true;
}

static bool version_apply(struct piece version, struct http_head *head)
{
    head->keep_alive = piece_is(version, "HTTP/1.1");
    return head->keep_alive || piece_is(version, "HTTP/1.0");
}

static bool question_apply(struct piece line, struct http_head *head)
{
    struct piece method, target;

    if (!piece_cut(&line, " ", &method) || !piece_cut(&line, " ", &target))
        return false;
    if (target.length == 0 || target.length >= sizeof(head->target))
        return false;
    memcpy(head->target, target.start, target.length);
    head->target[target.length] = '\0';
    head->method = piece_is(method, "GET") ? HTTP_GET : (piece_is(method, "POST") ? HTTP_POST : HTTP_OTHER);
    return version_apply(line, head);
}

static bool answer_apply(struct piece line, struct http_head *head)
{
    struct piece version;

    if (!piece_cut(&line, " ", &version) || line.length < 3)
        return false;
    for (int i = 0; i < 3; i++) {
        if (line.start[i] < '0' || line.start[i] > '9')
            return false;
        head->status = head->status * 10 + (unsigned)(line.start[i] - '0');
    }
    return version_apply(version, head);
}

static enum http_result head_parse(const char *bytes, size_t count, struct http_head *head,
                                   bool (*first)(struct piece, struct http_head *))
{
    struct piece rest = {bytes, count};
    struct piece whole, line;

    *head = (struct http_head){.method = HTTP_OTHER};
    if (!piece_cut(&rest, "\r\n\r\n", &whole))
        return HTTP_PARTIAL;
    head->length = whole.length + 4;
    /* the length includes the CR LF of the last line, so that the loop below finds a CR LF at the end of every line */
    whole.length += 2;
    if (!piece_cut(&whole, "\r\n", &line) || !first(line, head))
        return HTTP_BAD;
    while (piece_cut(&whole, "\r\n", &line)) {
        if (!field_apply(line, head))
            return HTTP_BAD;
    }
    return HTTP_COMPLETE;
}

enum http_result http_parse_question(const char *bytes, size_t count, struct http_head *head)
{
    return head_parse(bytes, count, head, question_apply);
}

enum http_result http_parse_answer(const char *bytes, size_t count, struct http_head *head)
{
    return head_parse(bytes, count, head, answer_apply);
}
