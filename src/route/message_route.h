/* Serves small requests of malloc from message pages, in place of mimalloc: SOCKMALLOC_MESSAGE. */
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
 * the pools. So a free leaves the fast path by the tests that it makes anyway, and route_refuse finds the object by one
 * comparison. malloc sends requests below route.direct_below to mimalloc, and this number becomes LOW. So malloc and
 * free have no instruction for message pages, and without the setting they take the same steps as ever.
 */
struct message_route {
    const char *start; /* of the range of all message pages */
    size_t length;     /* bytes of the range; 0 if no requests are served from message pages */
    size_t least;      /* bytes of the smallest request */
    size_t most;       /* bytes of the largest request */
    struct sockmalloc_message *messages;
};

extern INTERNAL struct message_route message_route;

/*
 * Opens the message pages for requests from `least` to `most` bytes, with addresses for at most `limit` bytes of pages.
 * Returns false if the kernel refuses the addresses, or if they do not lie outside the range of `size` bytes that
 * begins at `taken`. The library calls it at start-up.
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

/* Allocates a request that suits, aligned to 16 bytes. Returns NULL if all message pages are in use. */
INTERNAL void *message_route_alloc(size_t request);

/* Frees a block, or returns its usable size. The address lies in a message page. The process ends with a line of text
 * if no live block begins there; `call` is the name of the function that the program called. */
INTERNAL void message_route_free(void *address);
INTERNAL size_t message_route_size(const char *call, const void *address);

/* Returns the usable size of a block for a request that suits. */
INTERNAL size_t message_route_good_size(size_t request);

#endif
