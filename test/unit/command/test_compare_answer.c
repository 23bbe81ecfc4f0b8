/* Tests of command/compare_answer.c: answers in HTTP and RESP are parsed, whatever pieces they arrive in. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/bounds.h"
#include "command/compare_answer.h"

static const struct {
    enum compare_protocol protocol;
    const char *bytes; /* one answer; the bytes behind a | begin the next answer */
    int status;
    bool closes;
} answers[] = {
    {COMPARE_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello|HTTP", 200, false},
    {COMPARE_HTTP, "HTTP/1.1 200 OK\r\ncontent-length:0\r\nConnection: close\r\n\r\n|", 200, true},
    {COMPARE_HTTP, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx|y", 200, true},
    {COMPARE_HTTP, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx|y", 200, false},
    {COMPARE_HTTP, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno|", 404, false},
    {COMPARE_HTTP, "HTTP/1.1 304 Not Modified\r\n\r\n|HTTP", 304, false},
    {COMPARE_HTTP, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx|", 200, false},
    {COMPARE_HTTP,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n|z", 200, false},
    {COMPARE_HTTP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSum: 1\r\n\r\n|", 200, false},
    {COMPARE_RESP, "+PONG\r\n|+", 200, false},
    {COMPARE_RESP, ":17\r\n|", 200, false},
    {COMPARE_RESP, "-NOAUTH Authentication required.\r\n|", 500, false},
    {COMPARE_RESP, "$5\r\nhello\r\n|$", 200, false},
    {COMPARE_RESP, "$4\r\n\r\n\r\n\r\n|", 200, false},
    {COMPARE_RESP, "$0\r\n\r\n|", 200, false},
    {COMPARE_RESP, "$-1\r\n|+OK", 200, false},
};

/* Parses an answer that arrives in pieces of `piece` bytes. Returns how many of the bytes belong to the answer. */
static size_t parse(enum compare_protocol protocol, const char *bytes, size_t size, size_t piece,
                    struct compare_answer *answer)
{
    size_t taken = 0;
    compare_answer_begin(answer);
    while (taken < size && answer->state != ANSWER_DONE) {
        size_t count = LESSER(piece, size - taken);
        ptrdiff_t part = compare_answer_take(answer, protocol, bytes + taken, count);
        cr_assert(part >= 0 && (size_t)part <= count, "%s", bytes);
        taken += (size_t)part;
    }
    return taken;
}

Test(compare_answer, pieces_of_any_size)
{
    static struct compare_answer answer;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char bytes[256];
        size_t end = strcspn(answers[i].bytes, "|");
        size_t size = strlen(answers[i].bytes) - 1;
        memcpy(bytes, answers[i].bytes, end);
        memcpy(bytes + end, answers[i].bytes + end + 1, size - end);
        for (size_t piece = 1; piece <= size; piece++) {
            cr_assert_eq(parse(answers[i].protocol, bytes, size, piece, &answer), end, "%s", answers[i].bytes);
            cr_assert_eq(answer.state, ANSWER_DONE, "%s", answers[i].bytes);
            cr_assert_eq(answer.status, answers[i].status, "%s", answers[i].bytes);
            cr_assert_eq(answer.closes, answers[i].closes, "%s", answers[i].bytes);
        }
    }
}

Test(compare_answer, the_end_of_the_connection_ends_a_body_without_a_length)
{
    static const char head[] = "HTTP/1.0 200 OK\r\n\r\nall that comes";
    static struct compare_answer answer;
    cr_assert_eq(parse(COMPARE_HTTP, head, strlen(head), 7, &answer), strlen(head));
    cr_assert_neq(answer.state, ANSWER_DONE);
    cr_assert(compare_answer_close(&answer));
    cr_assert_eq(answer.state, ANSWER_DONE);
}

Test(compare_answer, a_short_body_is_not_complete)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort";
    static struct compare_answer answer;
    parse(COMPARE_HTTP, head, strlen(head), 100, &answer);
    cr_assert_not(compare_answer_close(&answer));
}

Test(compare_answer, what_is_no_answer)
{
    static const char *const wrong[] = {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/x\r\n\r\n", "\r\n\r\n"};
    static struct compare_answer answer;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        compare_answer_begin(&answer);
        cr_assert_lt(compare_answer_take(&answer, COMPARE_HTTP, wrong[i], strlen(wrong[i])), 0, "%s", wrong[i]);
        compare_answer_begin(&answer);
        cr_assert_lt(compare_answer_take(&answer, COMPARE_RESP, wrong[i], strlen(wrong[i])), 0, "%s", wrong[i]);
    }
}

Test(compare_answer, a_chunk_without_a_size_and_a_head_without_an_end)
{
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nwrong\r\n";
    static struct compare_answer answer;
    static char long_head[COMPARE_HEAD_SIZE + 1];
    compare_answer_begin(&answer);
    cr_assert_lt(compare_answer_take(&answer, COMPARE_HTTP, chunked, strlen(chunked)), 0);
    memset(long_head, 'x', sizeof long_head);
    compare_answer_begin(&answer);
    cr_assert_lt(compare_answer_take(&answer, COMPARE_HTTP, long_head, sizeof long_head), 0);
}
