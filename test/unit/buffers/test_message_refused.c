/* Tests of sockmalloc_message_* when the kernel refuses memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <sockmalloc.h>
#include <string.h>

#include "buffers/message_thread.h"
#include "support/os_failing.h"

Test(message_refused, no_object_without_addresses)
{
    os_failing_never();
    size_t held = os_failing_held();
    for (unsigned call = 1; call <= 2; call++) {
        os_failing_between(call, call);
        errno = 0;
        cr_assert_null(sockmalloc_message_open(NULL));
        cr_assert_eq(errno, ENOMEM);
        cr_assert_eq(os_failing_held(), held);
    }
    os_failing_never();
    struct sockmalloc_message *messages = sockmalloc_message_open(NULL);
    cr_assert_not_null(messages);
    cr_assert_eq(sockmalloc_message_close(messages), 0);
    cr_assert_eq(os_failing_held(), held);
}

Test(message_refused, a_thread_without_a_record_has_a_page_for_each_message)
{
    os_failing_never();
    struct sockmalloc_message *messages = sockmalloc_message_open(NULL);
    os_failing_from(1);
    char *one = sockmalloc_message_alloc(messages, 100, 0);
    char *other = sockmalloc_message_alloc(messages, 100, 0);
    cr_assert_eq(other - one, 65536);
    sockmalloc_message_free(messages, one);
    sockmalloc_message_free(messages, other);
    cr_assert_eq(message_thread, &message_thread_none);
    cr_assert_eq(message_bytes_held(messages), 0);
}

Test(message_refused, without_memory_for_statistics_nothing_is_counted)
{
    os_failing_never();
    struct sockmalloc_message *messages = sockmalloc_message_open(NULL);
    /* the kernel grants the first call for memory, for the thread's record, and refuses the second one */
    os_failing_between(2, 2);
    cr_assert_not_null(sockmalloc_message_alloc(messages, 100, 0));
    struct sockmalloc_message_statistics statistics;
    cr_assert_eq(sockmalloc_message_statistics(messages, 0, &statistics), 0);
    cr_assert_eq(statistics.count, 0);
}

Test(message_refused, a_page_that_cannot_be_returned_is_kept)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    options.keep = 0;
    os_failing_never();
    struct sockmalloc_message *messages = sockmalloc_message_open(&options);
    char *message = sockmalloc_message_alloc(messages, 100, 0);
    message[0] = 'x';
    sockmalloc_message_free(messages, message);
    os_failing_from(1);
    sockmalloc_message_flush(messages);
    cr_assert_eq(message[0], 'x');
    cr_assert_eq(sockmalloc_message_trim(messages, 0), 0);
    os_failing_never();
    cr_assert_eq(sockmalloc_message_trim(messages, 0), 65536);
    cr_assert_eq(message[0], 0);
    cr_assert_eq(sockmalloc_message_alloc(messages, 100, 0), message);
}
