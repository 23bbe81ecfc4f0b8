/*
 * Serves small requests of malloc from message pages, in place of mimalloc, if the setting SOCKMALLOC_MESSAGE says so.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/message_route.h"

#include <errno.h>
#include <sockmalloc.h>

#include "buffers/message_alloc.h"
#include "buffers/message_page.h"
#include "buffers/message_thread.h"

/*
 * Both in bytes: the size of a message page, and how much memory empty pages keep altogether. A page of 64 KiB holds 31
 * of the largest requests, which are 2 KiB. It is not larger, because a single block that lives long keeps its whole
 * page from being reused.
 */
enum { MESSAGE_ROUTE_PAGE = 64 << 10, MESSAGE_ROUTE_KEEP = 4 << 20 };

struct message_route message_route;

bool message_route_open(size_t least, size_t most, size_t limit, uintptr_t taken, size_t size)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    options.page = MESSAGE_ROUTE_PAGE;
    options.limit = limit;
    options.keep = MESSAGE_ROUTE_KEEP;
    options.types = 0;
    options.name = "SOCKMALLOC_MESSAGE"; /* `sockmalloc stat` shows the pages by this name */
    struct sockmalloc_message *messages = sockmalloc_message_open(&options);
    if (messages == NULL) {
        return false;
    }
    size_t length = (size_t)messages->pages << messages->page_shift;
    if ((uintptr_t)messages->start + length > taken && (uintptr_t)messages->start < taken + size) {
        sockmalloc_message_close(messages);
        return false;
    }
    messages->serves_malloc = true;
    message_route.messages = messages;
    message_route.start = messages->start;
    message_route.least = least;
    message_route.most = most;
    message_route.length = length;
    return true;
}

void *message_route_alloc(size_t request)
{
    int kept = errno;
    if (message_thread == &message_thread_ended) {
        /* a thread whose destructors of thread-specific data have run has no page to fill, so each block that it still
         * allocates would get a page of its own; mimalloc serves these blocks instead */
        return NULL;
    }
    void *block = sockmalloc_message_alloc(message_route.messages, request, 0);
    if (block == NULL) {
        errno = kept;
    }
    return block;
}

void message_route_free(void *address)
{
    sockmalloc_message_free(message_route.messages, address);
}

size_t message_route_size(const char *call, const void *address)
{
    return message_usable(message_route.messages, call, address);
}

size_t message_route_good_size(size_t request)
{
    return message_extent(message_route.messages, request) - MESSAGE_HEADER;
}
