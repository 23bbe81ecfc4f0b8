/* Tests of sockmalloc_message_* with several threads, with threads that end, with signal handlers, and in the children
 * of forks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sockmalloc.h>
#include <stdatomic.h>
#include <string.h>

#include "buffers/message_thread.h"
#include "support/capture.h"
#include "support/crew.h"

enum { PAGE = 4096, THREADS = 4, PLACES = 64, ROUNDS = 20000 };

static struct sockmalloc_message *messages;
static _Atomic(char *) place[PLACES];

static void open_messages(void)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    options.page = PAGE;
    options.keep = 4 * PAGE;
    messages = sockmalloc_message_open(&options);
    cr_assert_not_null(messages);
}

static struct sockmalloc_message_figures figures(void)
{
    struct sockmalloc_message_figures found;
    CHECK(sockmalloc_message_figures(messages, PAGE / 4, &found) == 0);
    return found;
}

/* Checks that all bytes of the message are those that its writer has written, and frees the message. */
static void check_and_free(char *message)
{
    size_t size = sockmalloc_message_size(messages, message);
    for (size_t i = 0; i < size; i++) {
        CHECK(message[i] == (char)size);
    }
    sockmalloc_message_free(messages, message);
}

static void exchange_messages(unsigned number)
{
    uint64_t seed = number + 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t size = crew_random(&seed) % 600 + 1;
        char *message = sockmalloc_message_alloc(messages, size, 0);
        if (!CHECK(message != NULL)) {
            return;
        }
        memset(message, (char)size, size);
        message = atomic_exchange(&place[crew_random(&seed) % PLACES], message);
        if (message != NULL) {
            check_and_free(message);
        }
        if (i % 1000 == 0) {
            sockmalloc_message_flush(messages);
            figures();
        }
    }
}

static void free_places(void)
{
    for (unsigned i = 0; i < PLACES; i++) {
        char *message = atomic_exchange(&place[i], NULL);
        if (message != NULL) {
            check_and_free(message);
        }
    }
}

Test(message_threads, any_thread_may_free)
{
    open_messages();
    crew_run(THREADS, exchange_messages);
    free_places();
    sockmalloc_message_flush(messages);
    cr_assert_eq(figures().bytes_held, 0);
    cr_assert_eq(figures().pages_used, 0, "a page is lost");
    struct sockmalloc_message_statistics statistics;
    sockmalloc_message_statistics(messages, 0, &statistics);
    cr_assert_eq(statistics.count, THREADS * ROUNDS);
    cr_assert_eq(sockmalloc_message_close(messages), 0);
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

/* --- the end of a thread --- */

static char *left[2];

static void *leave_messages(void *argument)
{
    left[0] = sockmalloc_message_alloc(messages, 100, 0);
    left[1] = sockmalloc_message_alloc(messages, 100, 0);
    sockmalloc_message_free(messages, argument);
    return NULL;
}

static void run_thread(void *(*work)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, argument) == 0);
    pthread_join(thread, NULL);
}

Test(message_threads, a_page_outlives_its_thread_by_its_messages)
{
    open_messages();
    char *two[2];
    two[0] = sockmalloc_message_alloc(messages, 100, 0);
    two[1] = sockmalloc_message_alloc(messages, 100, 0);
    run_thread(leave_messages, two[0]);
    cr_assert_eq(figures().pages_used, 2);
    cr_assert_eq(figures().straggler_pages, 1, "the messages of the thread that ended hold its page");
    sockmalloc_message_free(messages, left[0]);
    sockmalloc_message_free(messages, left[1]);
    cr_assert_eq(figures().pages_used, 1);
    sockmalloc_message_flush(messages);
    cr_assert_eq(figures().bytes_held, 112, "the free of the thread that ended is counted");
    sockmalloc_message_free(messages, two[1]);
    cr_assert_eq(figures().pages_used, 0);
}

Test(message_threads, a_record_is_used_again)
{
    open_messages();
    for (unsigned i = 0; i < 100; i++) {
        run_thread(leave_messages, NULL);
        sockmalloc_message_free(messages, left[0]);
        sockmalloc_message_free(messages, left[1]);
    }
    struct sockmalloc_message_statistics statistics;
    sockmalloc_message_statistics(messages, 0, &statistics);
    cr_assert_eq(statistics.count, 200);
    struct message_thread *newest = message_thread_after(NULL);
    cr_assert_null(message_thread_after(message_thread_after(newest)), "there are more than two records");
}

static pthread_key_t late_key;

static void free_late(void *message)
{
    static _Thread_local unsigned round;
    sockmalloc_message_free(messages, sockmalloc_message_alloc(messages, 10, 0));
    if (++round < 2) {
        pthread_setspecific(late_key, message);
        return;
    }
    sockmalloc_message_free(messages, message);
}

static void *end_late(void *argument)
{
    pthread_setspecific(late_key, argument);
    return NULL;
}

Test(message_threads, destructors_of_other_keys_may_use_messages)
{
    open_messages();
    pthread_key_create(&late_key, free_late);
    run_thread(end_late, sockmalloc_message_alloc(messages, 100, 0));
    sockmalloc_message_flush(messages);
    cr_assert_eq(figures().bytes_held, 0);
    cr_assert_eq(figures().pages_used, 0);
}

/* --- signal handlers --- */

Test(message_threads, a_handler_in_the_middle_leaves_the_cache_alone)
{
    open_messages();
    char *mine = sockmalloc_message_alloc(messages, 100, 0);
    struct message_cache *cache = message_cache_of(messages);
    char *next = atomic_load(&cache->next);
    /* from here on the thread's record says that an allocation is under way, so the calls below act as in a signal
     * handler */
    message_cache_enter(cache);
    char *theirs = sockmalloc_message_alloc(messages, 100, 0);
    cr_assert_not_null(theirs);
    cr_assert_neq((uintptr_t)theirs / PAGE, (uintptr_t)mine / PAGE);
    void *many[3];
    cr_assert_eq(sockmalloc_message_alloc_many(messages, 100, 0, 3, many), 3);
    cr_assert_eq(figures().pages_used, 5);
    sockmalloc_message_free(messages, theirs);
    sockmalloc_message_free_many(messages, 3, many);
    sockmalloc_message_free(messages, mine);
    sockmalloc_message_flush(messages);
    cr_assert_eq(figures().pages_used, 1);
    cr_assert_eq(atomic_load(&cache->next), next);
    message_cache_leave(cache);
    sockmalloc_message_flush(messages);
    cr_assert_eq(figures().pages_used, 0);
}

/* --- fork --- */

static char *parents[4];
static _Atomic bool filled;
static _Atomic bool done;

/* Starts a thread that runs `routine`, and waits until the thread has set `filled`. */
static pthread_t begin_thread(void *(*routine)(void *), void *argument)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, routine, argument), 0);
    while (!atomic_load(&filled)) {
        sched_yield();
    }
    return thread;
}

static void end_thread(pthread_t thread)
{
    atomic_store(&done, true);
    pthread_join(thread, NULL);
}

/* A thread of begin_thread calls this at its end: the function sets `filled`, and returns when end_thread is called. */
static void *stay(void)
{
    atomic_store(&filled, true);
    while (!atomic_load(&done)) {
        sched_yield();
    }
    return NULL;
}

static void *hold_a_page(void *argument)
{
    (void)argument;
    parents[0] = sockmalloc_message_alloc(messages, 100, 0);
    parents[1] = sockmalloc_message_alloc(messages, 200, 0);
    parents[2] = sockmalloc_message_alloc(messages, 300, 0);
    sockmalloc_message_free(messages, parents[1]);
    return stay();
}

static void use_in_child(void *argument)
{
    (void)argument;
    CHECK(figures().pages_used == 2);
    CHECK(figures().bytes_held == 112 + 320 + 112);
    sockmalloc_message_free(messages, parents[0]);
    CHECK(figures().pages_used == 2);
    sockmalloc_message_free(messages, parents[2]);
    CHECK(figures().pages_used == 1);
    sockmalloc_message_free(messages, parents[3]);
    char *message = sockmalloc_message_alloc(messages, 100, 0);
    CHECK(message == parents[3]); /* the child's only thread, the one that has forked, continues to fill its page */
    sockmalloc_message_free(messages, message);
    run_thread(leave_messages, NULL);
    sockmalloc_message_free(messages, left[0]);
    sockmalloc_message_free(messages, left[1]);
    CHECK(figures().pages <= 3);
    CHECK(sockmalloc_message_close(messages) == 0);
}

Test(message_threads, a_fork_child_frees_what_threads_of_its_parent_held)
{
    open_messages();
    parents[3] = sockmalloc_message_alloc(messages, 100, 0);
    pthread_t thread = begin_thread(hold_a_page, NULL);
    sockmalloc_message_free(messages, parents[1] = sockmalloc_message_alloc(messages, 50, 0));
    capture_clean(use_in_child, NULL);
    end_thread(thread);
    cr_assert_eq(figures().bytes_held, 112 + 320 + 112);
}

static void *free_one(void *argument)
{
    sockmalloc_message_free(messages, argument);
    return stay();
}

static void free_the_other(void *argument)
{
    (void)argument;
    sockmalloc_message_free(messages, parents[1]);
    CHECK(figures().pages_used == 0);
}

Test(message_threads, a_fork_child_counts_what_other_threads_had_pending)
{
    open_messages();
    parents[0] = sockmalloc_message_alloc(messages, 100, 0);
    parents[1] = sockmalloc_message_alloc(messages, 100, 0);
    sockmalloc_message_flush(messages);
    pthread_t thread = begin_thread(free_one, parents[0]);
    capture_clean(free_the_other, NULL);
    end_thread(thread);
}

/* Runs in the child of a fork. The thread that forked had freed a message, and had not yet subtracted the message from
 * the count of its page, which another thread was filling. The child must subtract each freed message once. */
static void free_the_rest(void *argument)
{
    (void)argument;
    CHECK(figures().bytes_held == 320 + 112);
    sockmalloc_message_free(messages, parents[2]);
    CHECK(figures().pages_used == 1);
    sockmalloc_message_free(messages, parents[3]);
    CHECK(sockmalloc_message_close(messages) == 0);
}

Test(message_threads, a_fork_child_counts_what_its_thread_had_pending)
{
    open_messages();
    parents[3] = sockmalloc_message_alloc(messages, 100, 0);
    pthread_t thread = begin_thread(hold_a_page, NULL);
    sockmalloc_message_free(messages, parents[0]);
    capture_clean(free_the_rest, NULL);
    end_thread(thread);
}
