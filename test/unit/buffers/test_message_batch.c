/* Tests of sockmalloc_message_batch_*, the inline functions of sockmalloc.h by which a program allocates and frees
 * messages one by one, and calls the library once for many of them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <sockmalloc.h>
#include <stdint.h>
#include <string.h>

#include "support/capture.h"

enum {
    N = SOCKMALLOC_MESSAGE_BATCH,
    SIZE = 100,
    EXTENT = 112, /* how many bytes a message of SIZE bytes takes in a page, with its header */
    PAGE = 4096,
    IN_PAGE = (PAGE - 16) / EXTENT
};

static struct sockmalloc_message *messages;
static struct sockmalloc_message_batch batch;
static char *got[3 * N];

/* Opens an object of `pages` pages, and begins the batch. */
static void begin(size_t page, size_t pages)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    options.page = page;
    options.limit = page * pages;
    messages = sockmalloc_message_open(&options);
    cr_assert_not_null(messages);
    sockmalloc_message_batch_begin(&batch, messages, SIZE, 0);
}

static uint64_t live(void)
{
    struct sockmalloc_message_figures figures;
    cr_assert_eq(sockmalloc_message_figures(messages, 0, &figures), 0);
    return figures.bytes_held / EXTENT;
}

/* Allocates `count` messages by the batch into `got`, checks their sizes, and fills them. */
static void allocate(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        got[i] = sockmalloc_message_batch_alloc(&batch);
        cr_assert_not_null(got[i]);
        cr_assert_eq(sockmalloc_message_size(messages, got[i]), SIZE);
        memset(got[i], 'x', SIZE);
    }
}

static void free_from(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        sockmalloc_message_batch_free(&batch, got[i]);
    }
}

static void expect_null(int error)
{
    errno = 0;
    cr_assert_null(sockmalloc_message_batch_alloc(&batch));
    cr_assert_eq(errno, error);
}

Test(message_batch, allocates_ahead_in_the_order_of_addresses)
{
    begin(65536, 4);
    cr_assert_eq(live(), 0);
    allocate(2 * N + 1);
    for (unsigned i = 1; i <= 2 * N; i++) {
        cr_assert_eq(got[i] - got[0], i * EXTENT);
    }
    cr_assert_eq(live(), 3 * N);
    struct sockmalloc_message_statistics statistics;
    sockmalloc_message_statistics(messages, 0, &statistics);
    cr_assert_eq(statistics.count, 3 * N);
}

Test(message_batch, delays_as_many_frees_as_it_says)
{
    begin(65536, 4);
    allocate(2 * N);
    errno = 7;
    free_from(0, N - 1);
    cr_assert_eq(live(), 2 * N);
    free_from(N - 1, N);
    cr_assert_eq(live(), N);
    sockmalloc_message_batch_flush(&batch);
    cr_assert_eq(live(), N);
    sockmalloc_message_batch_free(&batch, NULL);
    free_from(N, N + 2);
    sockmalloc_message_batch_flush(&batch);
    cr_assert_eq(live(), N - 2);
    sockmalloc_message_free(messages, got[N + 2]); /* the functions without a batch can free messages of a batch, too */
    cr_assert_eq(live(), N - 3);
    cr_assert_eq(errno, 7);
}

Test(message_batch, end_leaves_only_messages_in_use)
{
    static const struct {
        unsigned allocated;
        unsigned freed;
    } rows[] = {{0, 0},     {1, 0},     {1, 1},         {N - 1, 0},        {N, 1}, {N, N}, {N + 1, N - 1},
                {2 * N, N}, {3 * N, 0}, {3 * N, 3 * N}, {2 * N + 5, N + 4}};
    begin(PAGE, 16);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        allocate(rows[i].allocated);
        free_from(0, rows[i].freed);
        sockmalloc_message_batch_end(&batch);
        sockmalloc_message_batch_end(&batch);
        cr_assert_eq(live(), rows[i].allocated - rows[i].freed);
        free_from(rows[i].freed, rows[i].allocated);
        sockmalloc_message_batch_end(&batch);
        cr_assert_eq(live(), 0);
    }
    cr_assert_eq(sockmalloc_message_close(messages), 0);
}

Test(message_batch, messages_freed_at_once_lie_in_the_same_places)
{
    begin(65536, 4);
    allocate(N);
    char *first = got[0];
    free_from(0, N);
    for (unsigned turn = 0; turn < 100; turn++) {
        for (unsigned i = 0; i < N; i++) {
            char *message = sockmalloc_message_batch_alloc(&batch);
            cr_assert_eq(message, first + (size_t)i * EXTENT);
            sockmalloc_message_batch_free(&batch, message);
        }
    }
}

Test(message_batch, wrong_arguments_are_reported_by_each_allocation)
{
    begin(PAGE, 1);
    sockmalloc_message_batch_begin(&batch, messages, PAGE, 0);
    expect_null(EINVAL);
    sockmalloc_message_batch_begin(&batch, messages, SIZE, 1);
    expect_null(EINVAL);
    sockmalloc_message_batch_begin(&batch, NULL, SIZE, 0);
    expect_null(EINVAL);
    expect_null(EINVAL);
    sockmalloc_message_batch_end(&batch);
}

Test(message_batch, a_full_object_serves_what_is_left_and_then_nothing)
{
    begin(PAGE, 1);
    /* IN_PAGE is more than N and less than 2 * N, so the second refill finds memory for fewer than N messages */
    allocate(IN_PAGE);
    expect_null(ENOMEM);
    free_from(0, 1);
    expect_null(ENOMEM); /* the page is recycled only when all of its messages are freed */
    free_from(1, IN_PAGE);
    /* The batch still delays some of these frees, so the page is not recycled yet. The next allocation must do the
     * delayed frees first. */
    cr_assert_neq(live(), 0);
    allocate(N);
    cr_assert_eq(live(), N);
}

/* --- misuse --- */

static void free_got(void *count)
{
    for (unsigned i = 0; i < *(unsigned *)count; i++) {
        sockmalloc_message_batch_free(&batch, got[0]);
    }
    sockmalloc_message_batch_flush(&batch);
}

static void end_with_got(void *count)
{
    sockmalloc_message_batch_free(&batch, got[0]);
    sockmalloc_message_batch_free(&batch, (char *)got[1] + *(unsigned *)count);
    sockmalloc_message_batch_end(&batch);
}

Test(message_batch, wrong_frees_end_the_process_when_they_are_passed_on)
{
    begin(65536, 4);
    allocate(N + 1);
    capture_clean(free_got, &(unsigned){1});
    capture_abort(free_got, &(unsigned){2}, "freed already");
    capture_abort(free_got, &(unsigned){N + 1}, "freed already");
    capture_clean(end_with_got, &(unsigned){0});
    capture_abort(end_with_got, &(unsigned){16}, "no message of this object begins there");
    sockmalloc_message_free(messages, got[0]);
    capture_abort(free_got, &(unsigned){1}, "freed already");
}

static void free_by_a_batch_of_zeros(void *count)
{
    static struct sockmalloc_message_batch zeros;
    for (unsigned i = 0; i < *(unsigned *)count; i++) {
        sockmalloc_message_batch_free(&zeros, got[0]);
    }
    sockmalloc_message_batch_end(&zeros);
}

Test(message_batch, a_batch_of_zeros_frees_nothing_in_silence)
{
    static struct sockmalloc_message_batch zeros;
    errno = 0;
    cr_assert_null(sockmalloc_message_batch_alloc(&zeros));
    cr_assert_eq(errno, EINVAL);
    begin(65536, 4);
    allocate(1);
    capture_clean(free_by_a_batch_of_zeros, &(unsigned){0});
    capture_abort(free_by_a_batch_of_zeros, &(unsigned){1}, "no message of this object begins there");
    capture_abort(free_by_a_batch_of_zeros, &(unsigned){3 * N}, "no message of this object begins there");
}

static void go_on(void *nothing)
{
    (void)nothing;
    char *next = got[1] + EXTENT;
    cr_assert_eq(sockmalloc_message_batch_alloc(&batch), next);
    free_from(1, 2);
    sockmalloc_message_batch_end(&batch);
    cr_assert_eq(live(), 1);
}

Test(message_batch, a_fork_child_has_a_batch_of_its_own)
{
    begin(65536, 4);
    allocate(2);
    free_from(0, 1);
    capture_clean(go_on, NULL);
    go_on(NULL);
}
