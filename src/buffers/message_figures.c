/* Reports the figures of a message object, which is a set of message pages that the program has opened: its pages, the
 * sizes of its messages by type, and the pages that a few messages keep from being recycled. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sockmalloc.h>
#include <string.h>

#include "base/attributes.h"
#include "base/bounds.h"
#include "buffers/message_page.h"
#include "buffers/message_thread.h"

_Static_assert(SOCKMALLOC_MESSAGE_STEPS == SIZE_STEPS, "the public histogram has the steps of size_statistics.h");

enum {
    /*
     * sockmalloc_message_reserve proposes a size for a message page. A page of that size holds this many messages of
     * the size that 99 % of the messages do not exceed. On average half of such a message, about a 32nd of the page, is
     * left unused at the page's end.
     */
    MESSAGES_IN_PAGE = 16,
    USUAL_PARTS = 990, /* sockmalloc_message_reserve uses the size that 990 of 1,000 messages do not exceed */
};

static bool message_is_open(const struct sockmalloc_message *messages)
{
    if (messages != NULL && messages->types != 0) {
        return true;
    }
    errno = EINVAL;
    return false;
}

static uint32_t message_front(const struct sockmalloc_message *messages)
{
    return atomic_load_explicit(&messages->front, memory_order_relaxed);
}

/*
 * Calls `hook` for each live message of a page, until the hook returns a number other than 0. The caller has pinned the
 * page, so that the page is not reused meanwhile. Sets *ended to true if the hook has returned such a number. Returns
 * how many messages it has called the hook for, and adds to *bytes how many bytes of the page these messages take. If
 * `hook` is NULL, only counts the messages and their bytes.
 */
static size_t message_show_page(const struct sockmalloc_message *messages, uint32_t number,
                                sockmalloc_message_hook *hook, void *context, uint64_t *bytes, bool *ended)
{
    size_t shown = 0;
    uint64_t header;
    char *message = NULL;
    while (!*ended && (message = message_page_next(messages, number, message, &header)) != NULL) {
        size_t size = message_header_size(header);
        *bytes += message_extent(messages, size);
        shown++;
        *ended = hook != NULL && hook(context, message, size, message_header_type(header)) != 0;
    }
    return shown;
}

/*
 * Calls message_show_page for each page that no thread fills and in which live messages take at most `most` bytes,
 * until the hook ends the walk. Adds the number of these pages to *pages, and the bytes of their messages to *bytes.
 * Returns the number of the messages.
 */
static size_t message_walk_stragglers(struct sockmalloc_message *messages, size_t most, sockmalloc_message_hook *hook,
                                      void *context, uint64_t *pages, uint64_t *bytes)
{
    size_t shown = 0;
    bool ended = false;
    for (uint32_t number = 0; number < message_front(messages) && !ended; number++) {
        size_t held = message_page_pin(messages, number);
        if (held == 0) {
            continue;
        }
        if (held <= most) {
            ++*pages;
            shown += message_show_page(messages, number, hook, context, bytes, &ended);
        }
        message_page_unpin(messages, number);
    }
    return shown;
}

EXPORTED size_t sockmalloc_message_stragglers(struct sockmalloc_message *messages, size_t most,
                                              sockmalloc_message_hook *hook, void *context)
{
    uint64_t pages = 0;
    uint64_t bytes = 0;
    return message_is_open(messages) ? message_walk_stragglers(messages, most, hook, context, &pages, &bytes) : 0;
}

EXPORTED int sockmalloc_message_figures(struct sockmalloc_message *messages, size_t most,
                                        struct sockmalloc_message_figures *figures)
{
    if (!message_is_open(messages)) {
        return -1;
    }
    memset(figures, 0, sizeof *figures);
    figures->page_size = message_page_size(messages);
    figures->largest = messages->largest;
    figures->pages = message_front(messages);
    for (uint32_t number = 0; number < figures->pages; number++) {
        figures->pages_used += atomic_load_explicit(&messages->page[number].used, memory_order_relaxed);
    }
    int64_t held = message_bytes_held(messages);
    /* other threads may change the parts of this sum while they are added up, so it may be below 0 */
    figures->bytes_held = (uint64_t)GREATER(held, 0);
    figures->straggler_messages =
        message_walk_stragglers(messages, most, NULL, NULL, &figures->straggler_pages, &figures->straggler_bytes);
    return 0;
}

/* Adds up the statistics of one type of messages over all threads. */
static void message_sum_type(const struct sockmalloc_message *messages, unsigned type, struct size_figures *figures)
{
    memset(figures, 0, sizeof *figures);
    for (struct message_thread *thread = message_thread_after(NULL); thread != NULL;
         thread = message_thread_after(thread)) {
        const struct size_statistics *statistics = message_statistics_of(&thread->cache[messages - message_objects]);
        if (statistics != NULL) {
            size_statistics_sum(figures, &statistics[type]);
        }
    }
}

static bool message_type_is_counted(const struct sockmalloc_message *messages, unsigned type)
{
    if (!message_is_open(messages)) {
        return false;
    }
    if (type < messages->counted) {
        return true;
    }
    errno = EINVAL;
    return false;
}

EXPORTED int sockmalloc_message_statistics(const struct sockmalloc_message *messages, unsigned type,
                                           struct sockmalloc_message_statistics *statistics)
{
    if (!message_type_is_counted(messages, type)) {
        return -1;
    }
    struct size_figures figures;
    message_sum_type(messages, type, &figures);
    statistics->count = figures.count;
    statistics->bytes = figures.bytes;
    memcpy(statistics->step, figures.step, sizeof statistics->step);
    return 0;
}

EXPORTED size_t sockmalloc_message_step_end(unsigned step)
{
    return size_step_end(LESSER(step, SIZE_STEPS - 1U));
}

EXPORTED size_t sockmalloc_message_reserve(const struct sockmalloc_message *messages, unsigned type)
{
    if (!message_type_is_counted(messages, type)) {
        return 0;
    }
    struct size_figures figures;
    message_sum_type(messages, type, &figures);
    size_t usual = message_extent(messages, size_figures_quantile(&figures, USUAL_PARTS));
    size_t largest = size_figures_quantile(&figures, 1000);
    size_t page = (size_t)1 << MESSAGE_PAGE_LEAST_SHIFT;
    while (page < (size_t)1 << MESSAGE_PAGE_MOST_SHIFT &&
           (page < MESSAGES_IN_PAGE * usual || page - 2 * messages->unit < largest)) {
        page <<= 1;
    }
    return page;
}
