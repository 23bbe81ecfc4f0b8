/* Tests of sockmalloc_message_*, messages that are allocated in pages, by one thread. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <sockmalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "buffers/message_thread.h"
#include "buffers/size_statistics.h"
#include "support/capture.h"

enum {
    PAGE = 4096,
    SIZE = 100,
    EXTENT =
        112 /* how many bytes a message of SIZE bytes takes in a page, with its header and at an alignment of 16 */,
    IN_PAGE = (PAGE - 16) / EXTENT
};

static struct sockmalloc_message *messages;
static char *victim;

static struct sockmalloc_message_options options_of(size_t page, size_t limit, size_t alignment)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    options.page = page;
    options.limit = limit;
    options.alignment = alignment;
    return options;
}

static struct sockmalloc_message *opened(size_t page, size_t limit, size_t alignment)
{
    struct sockmalloc_message_options options = options_of(page, limit, alignment);
    messages = sockmalloc_message_open(&options);
    cr_assert_not_null(messages);
    return messages;
}

static char *taken(size_t size)
{
    char *message = sockmalloc_message_alloc(messages, size, 0);
    cr_assert_not_null(message);
    return message;
}

static struct sockmalloc_message_figures figures(size_t most)
{
    struct sockmalloc_message_figures found;
    cr_assert_eq(sockmalloc_message_figures(messages, most, &found), 0);
    return found;
}

/* Fills the thread's page with messages of SIZE bytes, and allocates one more, which begins the next page. Stores all
 * of them in `filled`. */
static void fill_page(char **filled)
{
    for (unsigned i = 0; i <= IN_PAGE; i++) {
        filled[i] = taken(SIZE);
    }
}

static void free_all(char **filled, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        sockmalloc_message_free(messages, filled[i]);
    }
}

#define EXPECT_ERRNO(call, value, error)                                                                               \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        cr_assert_eq(call, value);                                                                                     \
        cr_assert_eq(errno, error);                                                                                    \
    } while (0)

Test(message, options_out_of_range_are_refused)
{
    static const struct sockmalloc_message_options bad[] = {
        {sizeof bad[0], 2048, 1 << 20, 16, 0, 1, NULL},
        {sizeof bad[0], 1 << 23, 1 << 24, 16, 0, 1, NULL},
        {sizeof bad[0], 5000, 1 << 20, 16, 0, 1, NULL},
        {sizeof bad[0], 0, 1 << 20, 16, 0, 1, NULL},
        {sizeof bad[0], PAGE, 0, 16, 0, 1, NULL},
        {sizeof bad[0], PAGE, PAGE - 1, 16, 0, 1, NULL},
        {sizeof bad[0], PAGE, 1 << 20, 32, 0, 1, NULL},
        {sizeof bad[0], PAGE, 1 << 20, 0, 0, 1, NULL},
        {sizeof bad[0], PAGE, 1 << 20, 16, 0, 257, NULL},
        {0, PAGE, 1 << 20, 16, 0, 1, NULL},
        {sizeof bad[0] + 8, PAGE, 1 << 20, 16, 0, 1, NULL},
        {sizeof bad[0], PAGE, (size_t)PAGE << 24, 16, 0, 1, NULL},
        {sizeof bad[0], PAGE, SIZE_MAX, CACHE_LINE, 0, 1, NULL},
        {sizeof bad[0], PAGE, 1 << 20, 16, 0, 1, "a name that has 32 bytes, one over"},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_ERRNO(sockmalloc_message_open(&bad[i]), NULL, EINVAL);
    }
}

Test(message, a_caller_may_know_of_fewer_options)
{
    struct sockmalloc_message_options options = options_of(8192, 0, 7);
    options.size = offsetof(struct sockmalloc_message_options, limit);
    messages = sockmalloc_message_open(&options);
    cr_assert_not_null(messages);
    cr_assert_eq(figures(0).page_size, 8192);
    cr_assert_eq((uintptr_t)taken(1) % 16, 0);
}

Test(message, objects_end_and_come_again)
{
    struct sockmalloc_message *all[MESSAGE_OBJECTS];
    for (unsigned i = 0; i < MESSAGE_OBJECTS; i++) {
        all[i] = opened(PAGE, 1 << 20, 16);
        sockmalloc_message_free(all[i], taken(1));
    }
    EXPECT_ERRNO(sockmalloc_message_open(NULL), NULL, EMFILE);
    cr_assert_eq(sockmalloc_message_close(all[3]), 0);
    cr_assert_eq(opened(1 << 16, 1 << 20, CACHE_LINE), all[3]);
    cr_assert_eq((uintptr_t)taken(1) % CACHE_LINE, 0);
}

Test(message, a_closed_object_serves_nobody)
{
    opened(PAGE, 1 << 20, 16);
    sockmalloc_message_free(messages, taken(SIZE));
    cr_assert_eq(sockmalloc_message_close(messages), 0);
    struct sockmalloc_message_figures found;
    struct sockmalloc_message_statistics statistics;
    struct sockmalloc_message *none[] = {messages, NULL};
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_ERRNO(sockmalloc_message_alloc(none[i], SIZE, 0), NULL, EINVAL);
        EXPECT_ERRNO(sockmalloc_message_alloc(none[i], 0, 0), NULL, EINVAL);
        EXPECT_ERRNO(sockmalloc_message_close(none[i]), -1, EINVAL);
        EXPECT_ERRNO(sockmalloc_message_trim(none[i], 0), 0, EINVAL);
        EXPECT_ERRNO(sockmalloc_message_figures(none[i], 0, &found), -1, EINVAL);
        EXPECT_ERRNO(sockmalloc_message_statistics(none[i], 0, &statistics), -1, EINVAL);
        EXPECT_ERRNO(sockmalloc_message_reserve(none[i], 0), 0, EINVAL);
        EXPECT_ERRNO(sockmalloc_message_stragglers(none[i], 0, NULL, NULL), 0, EINVAL);
        sockmalloc_message_flush(none[i]);
        sockmalloc_message_free(none[i], NULL);
    }
}

Test(message, an_object_with_live_messages_stays_open)
{
    char *filled[IN_PAGE + 1];
    opened(PAGE, 1 << 20, 16);
    fill_page(filled);
    free_all(filled, 0, IN_PAGE);
    EXPECT_ERRNO(sockmalloc_message_close(messages), -1, EBUSY);
    memset(filled[IN_PAGE], 'x', SIZE);
    sockmalloc_message_free(messages, filled[IN_PAGE]);
    cr_assert_eq(sockmalloc_message_close(messages), 0);
}

Test(message, messages_are_aligned_apart_and_whole)
{
    static const size_t alignments[] = {16, CACHE_LINE};
    for (unsigned a = 0; a < 2; a++) {
        for (size_t page = PAGE; page <= 1 << 22; page <<= 1) {
            opened(page, 4 * page, alignments[a]);
            char *before = NULL;
            size_t largest = page - 2 * alignments[a];
            for (size_t size = 0; size <= largest; size += size / 2 + 1) {
                char *message = taken(size);
                cr_assert_eq((uintptr_t)message % alignments[a], 0);
                cr_assert(((uintptr_t)message ^ ((uintptr_t)message + size)) < page,
                          "the message crosses the end of its page");
                cr_assert_eq(sockmalloc_message_size(messages, message), size);
                memset(message, 'x', size);
                sockmalloc_message_free(messages, before);
                before = message;
            }
            sockmalloc_message_free(messages, before);
            sockmalloc_message_free(messages, taken(largest));
            EXPECT_ERRNO(sockmalloc_message_alloc(messages, largest + 1, 0), NULL, EINVAL);
            EXPECT_ERRNO(sockmalloc_message_alloc(messages, SIZE_MAX, 0), NULL, EINVAL);
            EXPECT_ERRNO(sockmalloc_message_alloc(messages, 1, 1), NULL, EINVAL);
            cr_assert_eq(sockmalloc_message_close(messages), 0);
        }
    }
}

Test(message, the_last_message_freed_is_the_next_one)
{
    opened(PAGE, 1 << 20, 16);
    char *first = taken(SIZE);
    char *second = taken(SIZE);
    cr_assert_eq(second - first, EXTENT);
    sockmalloc_message_free(messages, second);
    cr_assert_eq(taken(50), second);
    sockmalloc_message_free(messages, first);
    cr_assert_neq(taken(50), first);
}

Test(message, a_page_is_recycled_when_its_last_message_is_freed)
{
    char *filled[IN_PAGE + 1];
    opened(PAGE, 1 << 20, 16);
    fill_page(filled);
    cr_assert_eq(figures(0).pages_used, 2);
    cr_assert_eq(figures(0).bytes_held, (IN_PAGE + 1) * EXTENT);
    free_all(filled, 0, IN_PAGE - 1);
    cr_assert_eq(figures(0).pages_used, 2);
    sockmalloc_message_free(messages, filled[IN_PAGE - 1]);
    cr_assert_eq(figures(0).pages_used, 1);
    cr_assert_eq(figures(0).bytes_held, EXTENT);
}

Test(message, a_thread_that_frees_elsewhere_settles_first)
{
    char *filled[2][IN_PAGE + 1];
    opened(PAGE, 1 << 20, 16);
    fill_page(filled[0]);
    filled[1][0] = filled[0][IN_PAGE];
    for (unsigned i = 1; i <= IN_PAGE; i++) {
        filled[1][i] = taken(SIZE);
    }
    for (unsigned i = 0; i < IN_PAGE; i++) {
        sockmalloc_message_free(messages, filled[0][i]);
        sockmalloc_message_free(messages, filled[1][i]);
    }
    cr_assert_eq(figures(0).pages_used, 1);
    cr_assert_eq(figures(0).bytes_held, EXTENT);
}

/* A load that keeps as many messages live as before must not need more and more pages: after a quarter of its rounds
 * the number of pages may grow by no more than a tenth. */
Test(message, steady_load_needs_no_more_pages)
{
    enum { LIVE = 500, ROUNDS = 40 };
    static char *live[LIVE];
    uint64_t seed = 1;
    uint64_t pages = 0;
    opened(PAGE, 1 << 24, 16);
    for (unsigned i = 0; i < LIVE * ROUNDS; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        sockmalloc_message_free(messages, live[i % LIVE]);
        live[i % LIVE] = taken(64 + (seed >> 33) % 512);
        if (i == LIVE * ROUNDS / 4) {
            pages = figures(0).pages;
        }
    }
    cr_assert_leq(figures(0).pages, pages + pages / 10);
    cr_assert_leq(pages * PAGE, figures(0).bytes_held * 5 / 4);
    free_all(live, 0, LIVE);
    cr_assert_leq(figures(0).pages_used, 1);
}

Test(message, the_page_in_use_is_filled_again_if_all_is_freed)
{
    char *filled[IN_PAGE];
    opened(PAGE, PAGE, 16);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < IN_PAGE; i++) {
            filled[i] = taken(SIZE);
        }
        free_all(filled, 0, IN_PAGE);
        /* all messages of the page are freed, and the new message does not fit behind them; so the new one begins at
         * the start of the page */
        char *message = taken(PAGE / 2);
        cr_assert_eq(message, filled[0]);
        sockmalloc_message_free(messages, message);
    }
    cr_assert_eq(figures(0).bytes_held, 0);
}

Test(message, beyond_the_limit_there_is_no_memory)
{
    char *filled[IN_PAGE + 1];
    opened(PAGE, 2 * PAGE, 16);
    fill_page(filled);
    char *second = taken(PAGE - 32 - EXTENT);
    EXPECT_ERRNO(sockmalloc_message_alloc(messages, SIZE, 0), NULL, ENOMEM);
    EXPECT_ERRNO(sockmalloc_message_alloc(messages, SIZE, 0), NULL, ENOMEM);
    sockmalloc_message_free(messages, second);
    sockmalloc_message_free(messages, filled[IN_PAGE]);
    cr_assert_not_null(taken(SIZE));
}

Test(message, pages_are_kept_or_returned_as_the_caller_says)
{
    char *filled[IN_PAGE + 1];
    struct sockmalloc_message_options options = options_of(PAGE, 1 << 20, 16);
    for (options.keep = 0; options.keep <= PAGE; options.keep += PAGE) {
        messages = sockmalloc_message_open(&options);
        fill_page(filled);
        memset(filled[0], 'x', SIZE);
        free_all(filled, 0, IN_PAGE);
        cr_assert_eq(filled[0][0], options.keep == 0 ? 0 : 'x');
    }
}

Test(message, trim_returns_what_is_kept)
{
    char *filled[3 * IN_PAGE];
    opened(PAGE, 1 << 20, 16);
    for (unsigned i = 0; i < 3 * IN_PAGE; i++) {
        filled[i] = memset(taken(SIZE), 'x', SIZE);
    }
    free_all(filled, 0, 3 * IN_PAGE);
    sockmalloc_message_flush(messages);
    cr_assert_eq(sockmalloc_message_trim(messages, 2 * PAGE), PAGE);
    cr_assert_eq(sockmalloc_message_trim(messages, 2 * PAGE), 0);
    cr_assert_eq(sockmalloc_message_trim(messages, 0), 2 * PAGE);
    cr_assert_eq(filled[0][0], 0);
    cr_assert_eq(figures(0).pages_used, 0);
    cr_assert_eq(figures(0).pages, 3);
    cr_assert_not_null(taken(SIZE));
    cr_assert_eq(figures(0).pages, 3);
}

Test(message, many_at_once_are_as_many_single_ones)
{
    void *many[3 * IN_PAGE];
    opened(PAGE, 3 * PAGE, 16);
    cr_assert_eq(sockmalloc_message_alloc_many(messages, SIZE, 0, 0, many), 0);
    cr_assert_eq(sockmalloc_message_alloc_many(messages, SIZE, 0, 3 * IN_PAGE, many), 3 * IN_PAGE);
    for (unsigned i = 0; i < 3 * IN_PAGE; i++) {
        cr_assert_eq(sockmalloc_message_size(messages, many[i]), SIZE);
        cr_assert_eq((char *)many[i] - (char *)many[0], i / IN_PAGE * PAGE + i % IN_PAGE * EXTENT);
    }
    struct sockmalloc_message_statistics statistics;
    sockmalloc_message_statistics(messages, 0, &statistics);
    cr_assert_eq(statistics.count, 3 * IN_PAGE);
    EXPECT_ERRNO(sockmalloc_message_alloc_many(messages, SIZE, 0, 2, many), 0, ENOMEM);
    EXPECT_ERRNO(sockmalloc_message_alloc_many(messages, PAGE, 0, 2, many), 0, EINVAL);
    sockmalloc_message_free_many(messages, 3 * IN_PAGE, many);
    cr_assert_eq(figures(0).bytes_held, 0);
}

/* --- misuse --- */

static void free_victim(void *argument)
{
    sockmalloc_message_free(argument, victim);
}

static void free_victim_among_many(void *argument)
{
    void *many[] = {NULL, victim};
    sockmalloc_message_free_many(argument, 2, many);
}

static void size_of_victim(void *argument)
{
    sockmalloc_message_size(argument, victim);
}

static void expect_end(struct sockmalloc_message *object, char *message, const char *what)
{
    victim = message;
    capture_abort(free_victim, object, what);
    capture_abort(free_victim_among_many, object, what);
    capture_abort(size_of_victim, object, what);
}

Test(message_misuse, freed_twice_in_any_page)
{
    char *filled[IN_PAGE + 1];
    opened(PAGE, 1 << 20, 16);
    fill_page(filled);
    sockmalloc_message_free(messages, filled[3]);
    expect_end(messages, filled[3], "freed already");
    sockmalloc_message_free(messages, filled[IN_PAGE]);
    expect_end(messages, filled[IN_PAGE], "freed already");
    free_all(filled, 0, 3);
    free_all(filled, 4, IN_PAGE);
    /* the page still has its memory, so the library can tell that this message was freed before */
    expect_end(messages, filled[IN_PAGE - 1], "freed already");
    sockmalloc_message_trim(messages, 0);
    /* the page's memory has gone back to the kernel, so the library can only tell that no message begins here */
    expect_end(messages, filled[4], "no message");
}

Test(message_misuse, what_is_no_message_of_the_object)
{
    static char foreign[64];
    char *other = (opened(PAGE, 1 << 20, 16), taken(SIZE));
    char *message = (opened(PAGE, 1 << 20, 16), taken(SIZE));
    memset(message, 0xff, SIZE);
    /* copies the header of a message to an address at which no message has its header */
    memcpy(message + 24, message - 8, 8);
    char *start = messages->start;
    char *none[] = {message + 16, message + 1, message + 32,     message - 16,      other,      foreign + 32, start - 1,
                    start,        start + 3,   start + 4 * PAGE, start + (1 << 20), (char *)16, (char *)-16};
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        expect_end(messages, none[i], "no message of this object begins there");
    }
    expect_end(NULL, message, "no message of this object begins there");
    sockmalloc_message_free(messages, message);
    cr_assert_eq(sockmalloc_message_close(messages), 0);
    expect_end(messages, message, "no message of this object begins there");
}

Test(message_misuse, a_header_that_was_overwritten)
{
    opened(PAGE, 1 << 20, 16);
    char *message = taken(24);
    char *next = taken(24);
    memset(message, 'x', 32);
    expect_end(messages, next, "no message of this object begins there");
}

/* --- stragglers --- */

static char *moved;

static int move_out(void *context, void *message, size_t size, unsigned type)
{
    cr_assert_eq(context, messages);
    cr_assert_eq(size, SIZE);
    cr_assert_eq(type, 0);
    moved = memcpy(taken(size), message, size);
    sockmalloc_message_free(messages, message);
    return 0;
}

static int stop_at_once(void *context, void *message, size_t size, unsigned type)
{
    (void)context, (void)message, (void)size, (void)type;
    return 1;
}

Test(message, a_straggler_is_shown_and_may_be_copied_out)
{
    char *filled[IN_PAGE + 1];
    opened(PAGE, 1 << 20, 16);
    fill_page(filled);
    memset(filled[7], 'x', SIZE);
    cr_assert_eq(figures(EXTENT).straggler_pages, 0);
    free_all(filled, 0, 7);
    free_all(filled, 8, IN_PAGE);
    sockmalloc_message_flush(messages);
    cr_assert_eq(figures(EXTENT - 1).straggler_pages, 0);
    /*
     * Two pages have one live message each. One is the page that was full at first. The other is the page that the
     * thread was filling; sockmalloc_message_flush made the thread give it up.
     */
    cr_assert_eq(figures(EXTENT).straggler_pages, 2);
    cr_assert_eq(figures(EXTENT).straggler_messages, 2);
    cr_assert_eq(figures(EXTENT).straggler_bytes, 2 * EXTENT);
    cr_assert_eq(sockmalloc_message_stragglers(messages, EXTENT, stop_at_once, NULL), 1);
    sockmalloc_message_free(messages, filled[IN_PAGE]);
    cr_assert_eq(sockmalloc_message_stragglers(messages, EXTENT, move_out, messages), 1);
    cr_assert_eq(moved[SIZE - 1], 'x');
    sockmalloc_message_flush(messages);
    cr_assert_eq(figures(0).pages_used, 1);
    cr_assert_eq(figures(EXTENT).straggler_messages, 1);
}

/*
 * The walk over stragglers (messages that alone keep nearly empty pages in use) calls this function for a message. The
 * function frees the message and, while the walk still pins the message's page, reads the figures, which starts a
 * second walk.
 */
static int free_and_look(void *context, void *message, size_t size, unsigned type)
{
    (void)size, (void)type;
    sockmalloc_message_free(messages, message);
    sockmalloc_message_flush(messages);
    *(size_t *)context = figures(PAGE).straggler_pages;
    return 0;
}

Test(message, a_page_may_lose_its_last_message_while_it_is_walked)
{
    size_t pages = 1;
    opened(PAGE, 1 << 20, 16);
    taken(SIZE);
    sockmalloc_message_flush(messages);
    cr_assert_eq(sockmalloc_message_stragglers(messages, PAGE, free_and_look, &pages), 1);
    cr_assert_eq(pages, 0);
    cr_assert_eq(figures(0).bytes_held, 0);
    cr_assert_eq(figures(0).pages_used, 0);
}

/* --- statistics --- */

Test(message, types_have_statistics_of_their_own)
{
    struct sockmalloc_message_options options = options_of(1 << 16, 1 << 20, 16);
    options.types = 3;
    messages = sockmalloc_message_open(&options);
    for (unsigned i = 0; i < 100; i++) {
        sockmalloc_message_free(messages, sockmalloc_message_alloc(messages, 1000 + i, 2));
    }
    struct sockmalloc_message_statistics found[3];
    for (unsigned type = 0; type < 3; type++) {
        cr_assert_eq(sockmalloc_message_statistics(messages, type, &found[type]), 0);
        cr_assert_eq(found[type].count, type == 2 ? 100 : 0);
    }
    cr_assert_eq(found[2].bytes, 100 * 1000 + 99 * 100 / 2);
    for (unsigned step = 0; step < SOCKMALLOC_MESSAGE_STEPS; step++) {
        size_t end = sockmalloc_message_step_end(step);
        cr_assert_eq(found[2].step[step], end == 1023 ? 24 : end == 1151 ? 76 : 0);
    }
    EXPECT_ERRNO(sockmalloc_message_statistics(messages, 3, &found[0]), -1, EINVAL);
    EXPECT_ERRNO(sockmalloc_message_reserve(messages, 3), 0, EINVAL);
}

Test(message, without_types_nothing_is_counted)
{
    struct sockmalloc_message_options options = options_of(PAGE, 1 << 20, 16);
    options.types = 0;
    messages = sockmalloc_message_open(&options);
    taken(SIZE);
    struct sockmalloc_message_statistics found;
    EXPECT_ERRNO(sockmalloc_message_statistics(messages, 0, &found), -1, EINVAL);
    EXPECT_ERRNO(sockmalloc_message_alloc(messages, 1, 1), NULL, EINVAL);
}

Test(message, a_page_size_is_proposed)
{
    static const struct {
        size_t usual, rare, page;
    } cases[] = {{1, 1, 4096},        {200, 200, 4096},    {240, 240, 8192},       {1500, 1500, 32768},
                 {1500, 9000, 32768}, {100, 60000, 65536}, {30000, 30000, 524288}, {300000, 300000, 4194304}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened(1 << 22, 1 << 24, 16);
        cr_assert_eq(sockmalloc_message_reserve(messages, 0), 4096);
        for (unsigned j = 0; j < 1000; j++) {
            sockmalloc_message_free(messages, taken(j == 500 ? cases[i].rare : cases[i].usual));
        }
        cr_assert_eq(sockmalloc_message_reserve(messages, 0), cases[i].page, "case %u", i);
    }
}

Test(size_statistics, each_size_lies_in_its_step)
{
    for (size_t size = 0; size < 1 << 23; size += size / 100 + 1) {
        unsigned step = size_step(size);
        cr_assert_leq(size, size_step_end(step));
        cr_assert(step == 0 || size > size_step_end(step - 1));
        cr_assert(step == 0 || size_step_end(step) - size_step_end(step - 1) <= size / 8 + 1);
    }
    cr_assert_eq(size_step(SIZE_MAX), SIZE_STEPS - 1);
    struct size_figures figures = {.count = 100, .step = {[5] = 50, [9] = 49, [20] = 1}};
    cr_assert_eq(size_figures_quantile(&figures, 500), size_step_end(5));
    cr_assert_eq(size_figures_quantile(&figures, 501), size_step_end(9));
    cr_assert_eq(size_figures_quantile(&figures, 990), size_step_end(9));
    cr_assert_eq(size_figures_quantile(&figures, 1000), size_step_end(20));
}
