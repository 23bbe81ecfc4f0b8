/* The route of every call: to the pools by size, alignment and address, else to mimalloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ROUTE_H
#define SOCKMALLOC_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/colour.h"
#include "memory/bucket.h"
#include "memory/region.h"
#include "pool/pool.h"
#include "route/fallback.h"

/* Written at start, never again. While `limit` is zero, before start or with the pools off, all
 * falls through. */
struct route {
    _Alignas(FROZEN_PAGE) char colour[COLOUR_HINTS];
    uintptr_t hints;     /* mimalloc asks the kernel for its memory here: see route_open */
    size_t hints_length; /* zero before start */
    char more_colour[COLOUR_ROUTE - COLOUR_HINTS - sizeof(uintptr_t) - sizeof(size_t)];
    size_t direct_below; /* smaller requests are mimalloc's without another look */
    size_t minimum;      /* requests from here ... */
    size_t limit;        /* ... to one less than this are the pools' */
    bucket_offset line[BUCKET_GRANULES];
};

_Static_assert(offsetof(struct route, direct_below) == COLOUR_ROUTE, "the map begins there");

extern INTERNAL struct route route;

/*
 * At start, after the pools have opened, if they do. From now on a free looks first if the address
 * lies where mimalloc has nearly all its memory, and knows there is no need to look further. All
 * other addresses are looked at: they are the pools', libc's, one of the few that mimalloc has
 * elsewhere, or nobody's.
 */
void route_open(void);

/* At start, before route_publish, whether the pools open or not: has the histogram know of requests
 * below BUCKET_REQUEST_FLOOR, too. */
void route_watch_small(bool wanted);

/* Opens the pools to requests. The last step of start: what is handed out must be known when it
 * comes back. */
void route_publish(const struct bucket_plan *plan);

/* Closes them: further requests fall through, while frees still find the regions. */
void route_close(void);

/* Whether the pools serve requests of that size. */
FAST_PATH bool route_is_pooled(size_t request)
{
    return request >= route.minimum && request < route.limit;
}

/* The bucket that serves a request of the pools: its line, and its number. */
FAST_PATH size_t route_offset(size_t request)
{
    return route.line[(request - 1) >> BUCKET_GRANULE_SHIFT];
}

FAST_PATH unsigned route_bucket(size_t request)
{
    return (unsigned)(route_offset(request) / CACHE_LINE);
}

/* What the private magazine could not serve, and what the pools could not serve. */
INTERNAL void *route_alloc_slow(size_t request, const void *caller);

/* What is below the pools' sizes or above them and not too small to be seen. */
INTERNAL void *route_alloc_outside(size_t request);

/*
 * malloc. Price: what pool_alloc says and two tests, neither of which jumps; what is too small to be
 * seen pays two tests, a jump and an indirect one. `caller` is an address in whoever called the
 * shim; NULL, from the shim itself, has it looked up where it is needed: fetched any sooner it
 * costs `pair` a tenth.
 */
FAST_PATH void *route_alloc(size_t request, const void *caller)
{
    if (UNLIKELY(request < route.minimum)) {
        return LIKELY(request < route.direct_below) ? fallback_alloc(request) : route_alloc_outside(request);
    }
    if (UNLIKELY(request >= route.limit)) {
        return route_alloc_outside(request);
    }
    void *slot = pool_alloc(route_offset(request), request, NULL);
    if (UNLIKELY(slot == NULL)) {
        return route_alloc_slow(request, caller != NULL ? caller : CALLER);
    }
    return slot;
}

/*
 * Frees what is no live slot and does not lie among mimalloc's hints. A block of libc's goes back
 * to libc. An address that no allocator has issued ends the process; where that is not certain,
 * mimalloc gets it. NULL is ignored.
 */
INTERNAL COLD void route_refuse(const char *call, void *address);

/* free. errno is kept on the pools' side by all callees. */
FAST_PATH void route_free(const char *call, void *address)
{
    if (LIKELY((uintptr_t)address - route.hints < route.hints_length)) {
        fallback_free(address);
        return;
    }
    size_t offset = region_offset(address);
    if (UNLIKELY(!region_covers(offset) || !pool_free(address, offset))) {
        route_refuse(call, address);
    }
}

/* calloc: memory that reads as zero up to its usable size, as glibc's does; without a memset where
 * the kernel's own pages do. */
void *route_alloc_zeroed(size_t count, size_t size, const void *caller);

/* malloc with an alignment, which must be a power of two. */
void *route_alloc_aligned(size_t alignment, size_t request, const void *caller);

/*
 * realloc. In place while the slot has room and the request is a quarter of its capacity or more;
 * else it moves. A block that grows out of a second slot, or to four times its size, goes several
 * buckets up at once, since pages that nobody touches cost nothing and the next move would copy
 * more. realloc(p, 0) frees and returns NULL, as glibc's does:
 * the servers were built on that.
 */
void *route_realloc(const char *call, void *address, size_t request, const void *caller);

/* malloc_usable_size: a pool's is the request rounded up to 16, constant while the block lives. */
size_t route_usable_size(const char *call, const void *address);

/* malloc_good_size. Returns what malloc_usable_size would say of a request, or less where mimalloc
 * serves it above 128 KiB. */
size_t route_good_size(size_t request);

#endif
