/* Chooses by size, alignment or address what serves each call: the pools, message pages, a mapped block or mimalloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ROUTE_H
#define SOCKMALLOC_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/colour.h"
#include "memory/bucket.h"
#include "memory/mapped.h"
#include "memory/region.h"
#include "pool/pool.h"
#include "route/fallback.h"

/*
 * The limits by which each call is routed. Only start-up writes them, except for direct_below: route_sample_small
 * changes it later, and so does the slow path of malloc when memory becomes tight. If `limit` is 0, as it is before the
 * end of start-up and with the pools off, mimalloc serves all requests.
 */
struct route {
    _Alignas(FROZEN_PAGE) char colour[COLOUR_HINTS];
    uintptr_t hints;     /* start of the addresses where mimalloc maps its memory; route_open finds it */
    size_t hints_length; /* length in bytes of the range of addresses that begins at `hints`; 0 before route_open */
    /* requests above the pools' sizes become mapped blocks if they have at least this size; 0 if none does */
    size_t mapped_least;
    char more_colour[COLOUR_ROUTE - COLOUR_HINTS - sizeof(uintptr_t) - 2 * sizeof(size_t)];
    /* smaller requests than this go straight to mimalloc: they are neither sampled for the histogram nor served from
     * message pages */
    size_t direct_below;
    size_t minimum; /* the smallest request that the pools serve */
    size_t limit;   /* one byte more than the largest request that the pools serve */
    bucket_offset line[BUCKET_GRANULES];
};

_Static_assert(offsetof(struct route, direct_below) == COLOUR_ROUTE, "the map begins there");

extern INTERNAL struct route route;

/*
 * Stores where mimalloc has nearly all its memory. The library calls it at start-up, after it has opened the pools, if
 * these are on. From then on free first compares an address with that range, and needs no other check if the address
 * lies there. All other addresses are examined: they are slots, blocks of libc, the few blocks that mimalloc has
 * elsewhere, or no blocks at all. The function also allows mapped blocks (mapped_open), unless the kernel would place
 * them where mimalloc has its memory.
 */
void route_open(void);

/*
 * Lets message pages serve requests from `least` to `most` bytes, which are below the pools' sizes. Returns false if
 * there are no addresses for them. `charge_limit` is how many bytes the process may map, or SIZE_MAX. The library calls
 * it at start-up after route_open.
 */
bool route_open_messages(size_t least, size_t most, size_t charge_limit);

/* Sets whether requests below BUCKET_REQUEST_FLOOR are sampled for the histogram too. The library calls it at start-up
 * before route_publish, with the pools on or off. */
void route_watch_small(bool wanted);

/*
 * Makes the library sample requests below BUCKET_REQUEST_FLOOR until the time `until`, in nanoseconds of clock_now. If
 * `until` is 0, ends that sampling. The sampling ends by itself with the first sampled request after `until`. Returns
 * false, with nothing changed, if such requests are always sampled, or if frozen_open refuses. It is safe in signal
 * handlers.
 */
bool route_sample_small(uint64_t until);

/* Lets the pools serve requests of the plan's sizes. This is the last step of start-up, because from then on slots are
 * freed, and everything that a free needs must be ready. */
void route_publish(const struct bucket_plan *plan);

/* Returns true if the pools serve requests of this size. */
FAST_PATH bool route_is_pooled(size_t request)
{
    return request >= route.minimum && request < route.limit;
}

/* route_offset and route_bucket return the bucket for a request within the pools' sizes. route_offset returns it as a
 * bucket_offset, and route_bucket as its number. */
FAST_PATH size_t route_offset(size_t request)
{
    return route.line[(request - 1) >> BUCKET_GRANULE_SHIFT];
}

FAST_PATH unsigned route_bucket(size_t request)
{
    return (unsigned)(route_offset(request) / CACHE_LINE);
}

/* The slow path of malloc for a request of the pools' sizes: allocates a slot. If the pools have none, or if memory is
 * tight and too much of a slot would stay unused, allocates a mapped block, a block of a packed slot (a slot that
 * several blocks share), or a block of mimalloc's. */
INTERNAL void *route_alloc_slow(size_t request, const void *caller);

/* Allocates a block for a request outside the pools' sizes: a block of a message page, a mapped block, a block of a
 * packed slot (a slot that several blocks share), or one of mimalloc's. Samples some of these requests for the
 * histogram. */
INTERNAL void *route_alloc_outside(size_t request);

/*
 * Does what malloc does. Price: that of pool_alloc, and two tests whose branches are not taken; a request that is too
 * small to be sampled pays two tests, one jump, and mimalloc's function through a pointer. `caller` is the address in
 * the program from which malloc was called. The exported malloc passes NULL; the slow path then finds the address
 * itself, because finding it earlier makes the benchmark row `pair` a tenth slower.
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
 * Frees a block at an address that is no live slot and does not lie where mimalloc maps its memory. Does nothing for
 * NULL. Frees a mapped block, a block of a message page, and a block of a packed slot (a slot that several blocks
 * share); has libc free a block of libc. Ends the process with a line of text if the block is free already, or if
 * certainly no allocator has returned the address. Has mimalloc free any other address. `call` is the name of the
 * function that the program has called.
 */
INTERNAL COLD void route_refuse(const char *call, void *address);

/* Frees a block, as free does. errno stays unchanged, because no function that it calls changes errno. */
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

/* Allocates as calloc does. The memory reads as zero up to its usable size, as with glibc. Memory whose pages the
 * kernel has just cleared is not cleared again. */
void *route_alloc_zeroed(size_t count, size_t size, const void *caller);

/* Allocates a block with an alignment, which must be a power of two. A request of the pools' sizes gets a slot if the
 * alignment is a page or less. Other requests become mapped blocks from ROUTE_MAPPED_LEAST bytes on, and mimalloc
 * serves the rest. */
void *route_alloc_aligned(size_t alignment, size_t request, const void *caller);

/*
 * Does what realloc does. The block stays in place if its slot has space, unless it shrinks to less than a quarter of
 * the slot's capacity; otherwise it moves. If a block has outgrown a slot before, or grows to four times its size or
 * more at once, it will probably grow further. Such a block moves to a slot many times as large, because untouched
 * pages cost nothing and the next move would copy more. If most blocks grow again and again, a block moves at its first
 * growth to a slot that is large enough for most of them. Once slots have been carved from half of the pools' range, or
 * memory is tight, no block gets so large a slot any more. If a block of 4 MiB or more grows out of its slot, its pages
 * move to a mapped block without a copy. realloc(p, 0) frees the block and returns NULL, as glibc's does, because
 * servers were written for that.
 */
void *route_realloc(const char *call, void *address, size_t request, const void *caller);

/* Does what malloc_usable_size does. For a slot or a mapped block the result is the request rounded up to 16 bytes, and
 * stays so until realloc changes the request. */
size_t route_usable_size(const char *call, const void *address);

/* Does what malloc_good_size does. Returns what malloc_usable_size would return for a request of that size. If mimalloc
 * serves a request above 128 KiB, the result may be less. */
size_t route_good_size(size_t request);

/* --- for route.c and route_resize.c alone --- */

/*
 * Two sizes in bytes. Above the pools' sizes, requests from ROUTE_MAPPED_LEAST on become mapped blocks. realloc copies
 * blocks that are smaller than ROUTE_MAPPED_LEAST, because the slot that such a block leaves keeps its pages for the
 * next block, which then causes no page faults. The pages of larger blocks move with the block. While memory is tight,
 * requests from ROUTE_MAPPED_TIGHT on are mapped too, because a mapping wastes none of its pages; blocks smaller than
 * that would make too many mappings.
 */
enum { ROUTE_MAPPED_LEAST = 4 << 20, ROUTE_MAPPED_TIGHT = 64 << 10 };

/* Returns true if a request outside the pools' sizes becomes a mapped block. */
static inline bool route_is_mapped(size_t request)
{
    return route.mapped_least > 0 && request >= route.mapped_least;
}

/* Returns true if the address lies where mimalloc has nearly all its memory, and where only blocks of mimalloc lie. */
static inline bool route_is_hinted(const void *address)
{
    return (uintptr_t)address - route.hints < route.hints_length;
}

/* Returns how many bytes were last requested for the mapped block that begins at the address, or 0 if none begins
 * there. */
static inline size_t route_mapped_request(const void *address)
{
    return route_is_hinted(address) ? 0 : mapped_request(address);
}

/* Returns true if a live slot begins at the address. The slot may be a packed one, which several blocks share. */
static inline bool route_is_slot(const void *address)
{
    return region_owns(address) && region_is_exact(region_offset(address)) &&
           slot_meta_state(region_meta(region_number(address))) == SLOT_LIVE;
}

/* Returns `address`, the block with which a request outside the pools' sizes was served. If the request is the thread's
 * next one to be sampled, counts it in the histogram. A failed request, with the address NULL, is not sampled. */
INTERNAL void *route_see(void *address, size_t request);

#endif
