/*
 * Serves small requests of malloc from message pages, in place of mimalloc, if the setting SOCKMALLOC_MESSAGE says so.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_ROUTE_H
#define SOCKMALLOC_MESSAGE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * A datagram server allocates a buffer of a few hundred bytes for each datagram, and frees it soon, in about the order
 * of allocation. With SOCKMALLOC_MESSAGE=LOW-HIGH an object of message pages (buffers/message_*) serves requests from
 * LOW to HIGH bytes.
 *
 * The object has a range of addresses of its own, which lies neither where mimalloc maps its memory nor in the range of
 * the pools. So when a block of a message page is freed, the tests that each free makes anyway lead to the slow path,
 * where route_refuse recognizes the block by one comparison. malloc sends requests below route.direct_below straight to
 * mimalloc. Start-up lowers this number to LOW, so that requests for message pages take malloc's slow path. The fast
 * paths of malloc and free therefore have no instruction for message pages.
 */
struct message_route {
    const char *start; /* the start of the range of all message pages */
    size_t length;     /* the length of that range in bytes; 0 if no requests are served from message pages */
    size_t least;      /* the smallest request in bytes that is served from message pages */
    size_t most;       /* the largest request in bytes that is served from message pages */
    struct sockmalloc_message *messages;
};

extern INTERNAL struct message_route message_route;

/*
 * Opens the message pages for requests from `least` to `most` bytes, with addresses for at most `limit` bytes of pages.
 * Returns false if the kernel refuses the addresses, or if they overlap the range of `size` bytes that begins at
 * `taken`. The library calls it at start-up.
 */
INTERNAL bool message_route_open(size_t least, size_t most, size_t limit, uintptr_t taken, size_t size);

/* Returns true if the address lies in a message page. */
static inline bool message_route_owns(const void *address)
{
    return (size_t)((const char *)address - message_route.start) < message_route.length;
}

/* Returns true if requests of this size are served from message pages. */
static inline bool message_route_suits(size_t request)
{
    return message_route.length > 0 && request >= message_route.least && request <= message_route.most;
}

/* Allocates a block of a message page, aligned to 16 bytes. The request must be one for which message_route_suits
 * returns true. Returns NULL if all message pages are in use, or if the thread is ending and the destructors of its
 * thread-specific data have run. */
INTERNAL void *message_route_alloc(size_t request);

/*
 * message_route_free frees a block, and message_route_size returns its usable size. The address must lie in a message
 * page. If no live block begins there, the process ends with a line of text. The line names the function that the
 * program has called: `free`, or the one in `call`.
 */
INTERNAL void message_route_free(void *address);
INTERNAL size_t message_route_size(const char *call, const void *address);

/* Returns the usable size that a block of a message page would have for this request. */
INTERNAL size_t message_route_good_size(size_t request);

#endif
