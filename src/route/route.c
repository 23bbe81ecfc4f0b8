/* Chooses by size, alignment or address what serves each call: the pools, message pages, a mapped block or mimalloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/route.h"

#include <stdatomic.h>
#include <string.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "config/message.h"
#include "config/option.h"
#include "memory/reserve.h"
#include "os/frozen.h"
#include "os/os.h"
#include "pool/histogram.h"
#include "route/message_route.h"
#include "route/packed.h"

/* start-up writes the map only if the plan of the buckets has another one */
struct route route = {.line = BUCKET_USUAL_MAP};

/* Requests of fewer bytes than this are not sampled for the histogram. */
static size_t seen_least;

/* The value that route.direct_below has while small requests are not sampled. Start-up and route_lower_direct set it;
 * route_set_sampling stores it in route.direct_below again when the sampling ends. */
static size_t direct_at_rest;

COLD void route_watch_small(bool wanted)
{
    seen_least = wanted ? 0 : BUCKET_REQUEST_FLOOR;
    direct_at_rest = seen_least;
    route.direct_below = direct_at_rest;
    /* if the pools are on, route_publish replaces this minimum; if they are off, it stays */
    route.minimum = route.direct_below;
}

/* True from the first call of route_lower_direct on. */
static atomic_bool direct_is_low;

/*
 * From now on malloc no longer sends requests of PACKED_LEAST bytes or more straight to mimalloc, so that packed slots
 * (slots that several blocks share) serve them. Slow paths call this function while memory is tight. It tries once: if
 * frozen_open refuses, these requests stay with mimalloc, which wastes more memory on them.
 */
static COLD void route_lower_direct(void)
{
    if (atomic_exchange_explicit(&direct_is_low, true, memory_order_relaxed) || !frozen_open()) {
        return;
    }
    direct_at_rest = LESSER(direct_at_rest, (size_t)PACKED_LEAST);
    route.direct_below = LESSER(route.direct_below, direct_at_rest);
    frozen_close();
}

/* Begins or, if `until` is 0, ends the sampling of small requests. The caller has made the variables writable by
 * frozen_open. */
static void route_set_sampling(uint64_t until)
{
    options.sampled_until = until;
    route.direct_below = until != 0 ? 0 : direct_at_rest;
    seen_least = until != 0 ? 0 : BUCKET_REQUEST_FLOOR;
}

bool route_sample_small(uint64_t until)
{
    if (options.number[OPTION_SAMPLE_SMALL] != 0 || !frozen_open()) {
        return false;
    }
    route_set_sampling(until);
    frozen_close();
    return true;
}

/* Ends the sampling of small requests if its time is over. Compares the time once more after frozen_open, because
 * another thread may have begun a new sampling just before. After frozen_open no other thread can begin one. */
static void route_review_sampling(void)
{
    if (clock_now() < options.sampled_until || !frozen_open()) {
        return;
    }
    if (clock_now() >= options.sampled_until) {
        route_set_sampling(0);
    }
    frozen_close();
}

COLD void route_publish(const struct bucket_plan *plan)
{
    route.minimum = plan->minimum;
    route.limit = plan->maximum + 1;
    route.mapped_least = GREATER(route.limit, ROUTE_MAPPED_LEAST);
}

/* True if the kernel has refused memory again after mimalloc had given back its free memory. */
static atomic_bool collected_in_vain;

/*
 * If the kernel has refused memory, makes mimalloc give back its free memory, for which mimalloc walks through the
 * thread's heap. If that was in vain before, does so only at every PAUSE-th call, because the walk takes time. Returns
 * true if the allocation should be tried again.
 */
static COLD bool route_collect(void)
{
    enum { PAUSE = 64 };
    static _Atomic uint32_t calls;
    if (!pool_is_tight()) {
        return false;
    }
    uint32_t call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    if (atomic_load_explicit(&collected_in_vain, memory_order_relaxed) && call % PAUSE != 0) {
        return false;
    }
    fallback_collect();
    return true;
}

/* Records whether the allocation that was tried again after route_collect has failed. It has failed if `block` is NULL.
 * Returns `block`. */
static void *route_note_collected(void *block)
{
    atomic_store_explicit(&collected_in_vain, block == NULL, memory_order_relaxed);
    return block;
}

/*
 * Allocates a mapped block. If the kernel has no memory for it, free slots are unmapped, and then free memory of
 * mimalloc, and the kernel is called again. Free slots stay mapped if all slots together are smaller than the request
 * or its alignment, because they would not help. Returns NULL if there is no memory, or if the alignment or the request
 * is too large.
 */
static COLD void *route_alloc_mapped(size_t alignment, size_t request)
{
    bool refused;
    void *block = mapped_alloc(alignment, request, &refused);
    if (refused && GREATER(alignment, request) <= region_ready() && pool_return() > 0) {
        block = mapped_alloc(alignment, request, &refused);
    }
    return refused && route_collect() ? route_note_collected(mapped_alloc(alignment, request, &refused)) : block;
}

/*
 * Returns true if memory is tight and the request would leave too much of a slot unused. A packed slot (one that
 * several blocks share), mimalloc or, from ROUTE_MAPPED_TIGHT on, a mapping then serves the request, and wastes less. A
 * limit on mapped memory counts the whole slot, however little of it the program touches. The result is true even if
 * the bucket has a free slot. The memory of that slot is of use for other requests too, because pool_return unmaps free
 * slots when the kernel refuses memory. A request of ROUTE_MAPPED_TIGHT bytes or more may leave a seventh of the slot
 * unused, because a mapping costs two system calls; a smaller request may leave a tenth unused.
 */
static bool route_wastes(unsigned bucket, size_t request)
{
    size_t stride = region.geometry[bucket].stride;
    return UNLIKELY(pool_is_tight()) && request < (request < ROUTE_MAPPED_TIGHT ? stride / 10 * 9 : stride / 7 * 6);
}

/* Allocates a block of a packed slot (a slot that several blocks share). If the kernel has no memory for another slot,
 * unmaps free slots, and then free memory of mimalloc, and tries again. Returns NULL if there is no memory. */
static COLD void *route_alloc_packed(size_t request, const void *caller)
{
    void *block = packed_alloc(request, caller);
    if (block == NULL && pool_return() > 0) {
        block = packed_alloc(request, caller);
    }
    return block == NULL && route_collect() ? route_note_collected(packed_alloc(request, caller)) : block;
}

/* Allocates a mapped block or, while memory is tight, a block of a packed slot (a slot that several blocks share), for
 * a request that has got no slot. Returns NULL if mimalloc has to serve the request, or if there is no memory. */
static COLD void *route_alloc_instead(size_t request, const void *caller)
{
    bool tight = pool_is_tight();
    if (request >= (tight ? ROUTE_MAPPED_TIGHT : ROUTE_MAPPED_LEAST)) {
        return route_alloc_mapped(1, request);
    }
    return tight && packed_suits(request) ? route_alloc_packed(request, caller) : NULL;
}

/* If memory is tight, allocates a slot, even if the request leaves most of it unused, because nothing else can serve
 * the request. Otherwise returns NULL. */
static COLD void *route_alloc_wasteful(size_t request, uint8_t *was, const void *caller)
{
    return pool_is_tight() ? pool_alloc_slow(route_bucket(request), request, was, caller) : NULL;
}

/*
 * Serves a request that has got no slot: as a mapped block, as one of several blocks in a packed slot, or from
 * mimalloc. While memory is tight and the kernel refuses mimalloc memory, free slots are unmapped and mimalloc tries
 * again. If that fails too, a slot serves the request, however much of it is wasted.
 */
static COLD void *route_alloc_last(size_t request, const void *caller)
{
    void *block = route_alloc_instead(request, caller);
    block = block != NULL ? block : fallback_alloc(request);
    if (block == NULL && pool_is_tight()) {
        block = pool_return() > 0 ? fallback_alloc(request) : NULL;
        block = block != NULL ? block : route_alloc_wasteful(request, NULL, caller);
    }
    return block;
}

/*
 * Allocates a slot by the slow path, unless memory is tight and too much of the slot would stay unused (route_wastes).
 * If the kernel has no memory for a slot, unmaps free slots, and then free memory of mimalloc, and tries the slow path
 * again. If there is still no slot, counts the request as one that falls through to mimalloc, and returns NULL.
 */
static void *route_alloc_far(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    void *slot = NULL;
    if (UNLIKELY(pool_is_known_tight()) && !atomic_load_explicit(&direct_is_low, memory_order_relaxed)) {
        route_lower_direct();
    }
    if (!route_wastes(bucket, request)) {
        slot = pool_alloc_slow(bucket, request, was, caller);
        if (UNLIKELY(slot == NULL) && pool_return() > 0) {
            slot = pool_alloc_slow(bucket, request, was, caller);
        }
        if (UNLIKELY(slot == NULL) && route_collect()) {
            slot = route_note_collected(pool_alloc_slow(bucket, request, was, caller));
        }
    }
    if (UNLIKELY(slot == NULL)) {
        pool_count_fall_through(bucket, request);
    }
    return slot;
}

static OUT_OF_LINE void *route_alloc_rest(size_t request, const void *caller)
{
    void *slot = route_alloc_far(route_bucket(request), request, NULL, caller);
    return LIKELY(slot != NULL) ? slot : route_alloc_last(request, caller);
}

/* pool_alloc_large is inlined and everything else is a tail call, so the usual case of a large bucket saves no
 * registers. */
OUT_OF_LINE void *route_alloc_slow(size_t request, const void *caller)
{
    void *slot = pool_alloc_large(route_bucket(request), request);
    return LIKELY(slot != NULL) ? slot : route_alloc_rest(request, caller);
}

/* Each thread samples one in OUTSIDE_INTERVAL of the requests that the pools do not serve. The sampled request stands
 * for all OUTSIDE_INTERVAL. */
enum { OUTSIDE_INTERVAL = 61 };

void *route_see(void *address, size_t request)
{
    static _Thread_local uint32_t left __attribute__((tls_model("initial-exec")));
    if (request < seen_least || address == NULL) {
        return address;
    }
    if (UNLIKELY(left == 0)) {
        /* The number of requests before the first sample differs from thread to thread, so that many threads with few
         * requests each are counted in proportion. */
        left = pool_thread_number() % OUTSIDE_INTERVAL + 1;
    }
    if (UNLIKELY(--left == 0)) {
        left = OUTSIDE_INTERVAL;
        histogram_add(request, OUTSIDE_INTERVAL);
        if (UNLIKELY(options.sampled_until != 0)) {
            route_review_sampling();
        }
    }
    return address;
}

/* Returns true if a request outside the pools' sizes may have to be served by a message page, a mapped block or a
 * packed slot (a slot that several blocks share), and not by mimalloc. */
FAST_PATH bool route_is_special(size_t request)
{
    return message_route_suits(request) || route_is_mapped(request) || pool_is_known_tight();
}

/*
 * Serves a request for which route_is_special has returned true: from a message page, as a mapped block or, while
 * memory is tight, as one of several blocks in a packed slot. Returns NULL if mimalloc has to serve the request, or if
 * there is no memory.
 */
static OUT_OF_LINE void *route_alloc_special(size_t request)
{
    if (message_route_suits(request)) {
        return message_route_alloc(request);
    }
    if (route_is_mapped(request)) {
        return route_alloc_mapped(1, request);
    }
    return packed_suits(request) ? route_alloc_packed(request, NULL) : NULL;
}

OUT_OF_LINE void *route_alloc_outside(size_t request)
{
    if (UNLIKELY(route_is_special(request))) {
        void *block = route_alloc_special(request);
        if (block != NULL) {
            return route_see(block, request);
        }
    }
    return route_see(fallback_alloc(request), request);
}

/* Returns for how many bytes of message pages addresses are reserved: 1 GiB, or an eighth of the limit on memory if
 * that is less. */
static size_t route_message_limit(size_t charge_limit)
{
    enum { MESSAGE_LIMIT = 1 << 30, MESSAGE_PART = 8 };
    return LESSER((size_t)MESSAGE_LIMIT, charge_limit / MESSAGE_PART);
}

bool route_open_messages(size_t least, size_t most, size_t charge_limit)
{
    if (!message_route_open(least, most, route_message_limit(charge_limit), route.hints, route.hints_length)) {
        return false;
    }
    direct_at_rest = LESSER(direct_at_rest, least);
    route.direct_below = direct_at_rest;
    return true;
}

COLD void route_open(void)
{
    /* mimalloc 2 and 3 map memory from a random address above 2 TiB upwards, up to 30 TiB. Most kernels put programs
     * and mappings without a chosen address above 64 TiB, and the pools lie there. */
    enum { TERABYTE_SHIFT = 40, FIRST = 2, END = 64 };
    uintptr_t end = (uintptr_t)END << TERABYTE_SHIFT;
    if (region_is_laid() && (uintptr_t)region.start < end) {
        end = (uintptr_t)region.start;
    }
    route.hints = (uintptr_t)FIRST << TERABYTE_SHIFT;
    route.hints_length = EXCESS(end, route.hints);
    /*
     * Under `ulimit -s unlimited` the kernel places mappings at the addresses of mimalloc's memory too. A free would
     * take a mapped block there for a block of mimalloc, so no mapped blocks are made in this case.
     */
    char *place = os_find_free(os_page_size());
    if (place != NULL && !route_is_hinted(place)) {
        mapped_open(route.hints, route.hints_length);
    }
}

COLD void route_refuse(const char *call, void *address)
{
    if (address == NULL) {
        return;
    }
    if (message_route_owns(address)) {
        message_route_free(address);
    } else if (region_owns(address)) {
        if (!packed_free(call, address)) {
            pool_die(call, address);
        }
    } else if (mapped_free(address)) {
        return;
    } else if (mapped_is_freed(address)) {
        message_die(MESSAGE_FREED_MAPPED, call, address);
    } else if (fallback_is_foreign(address)) {
        fallback_free_foreign(address);
    } else if (reserve_holds(address) || fallback_is_stray(address)) {
        message_die(MESSAGE_STRAY, call, address);
    } else {
        fallback_free(address);
    }
}

void *route_alloc_zeroed(size_t count, size_t size, const void *caller)
{
    size_t request;
    if (__builtin_mul_overflow(count, size, &request)) {
        return fallback_alloc_zeroed(count, size); /* fails, and sets errno, because the product overflows */
    }
    if (!route_is_pooled(request)) {
        void *block = route_is_special(request) ? route_alloc_special(request) : NULL;
        if (block != NULL && !route_is_mapped(request)) {
            memset(block, 0, route_usable_size("calloc", block));
        }
        return route_see(block != NULL ? block : fallback_alloc_zeroed(count, size), request);
    }
    unsigned bucket = route_bucket(request);
    uint8_t was;
    void *slot = pool_alloc(route_offset(request), request, &was);
    slot = slot != NULL ? slot : route_alloc_far(bucket, request, &was, caller);
    if (UNLIKELY(slot == NULL)) {
        void *block = route_alloc_instead(request, caller);
        if (block != NULL && region_owns(block)) {
            return memset(block, 0, packed_size("calloc", block));
        }
        block = block != NULL ? block : fallback_alloc_zeroed(count, size);
        slot = block == NULL ? route_alloc_wasteful(request, &was, caller) : NULL;
        if (slot == NULL) {
            return block;
        }
    }
    return slot_meta_is_zero(was) && !pool_is_child_of_threads ? slot : memset(slot, 0, slot_usable(request));
}

void *route_alloc_aligned(size_t alignment, size_t request, const void *caller)
{
    bool pooled = route_is_pooled(request);
    if (pooled && alignment <= os_page_size()) {
        void *block = route_alloc(request, caller);
        if (LIKELY(fallback_is_aligned(block, alignment))) {
            return block;
        }
        /* This block is aligned only to 16 bytes, because the pools had no slot, and mimalloc or a packed slot has
         * served the request. The next attempt does not count the request a second time. */
        route_free("free", block);
        block = fallback_alloc_aligned(alignment, request);
        return block != NULL ? block : route_alloc_wasteful(request, NULL, caller);
    }
    void *block = request >= ROUTE_MAPPED_LEAST && route.limit > 0 ? route_alloc_mapped(alignment, request) : NULL;
    block = block != NULL ? block : fallback_alloc_aligned(alignment, request);
    if (pooled) {
        pool_count_fall_through(route_bucket(request), request);
        return block;
    }
    return route_see(block, request);
}

size_t route_usable_size(const char *call, const void *address)
{
    if (message_route_owns(address)) {
        return message_route_size(call, address);
    }
    if (!region_owns(address)) {
        size_t mapped = route_mapped_request(address);
        return mapped > 0 ? slot_usable(mapped) : fallback_usable_size(address);
    }
    size_t packed = route_is_slot(address) ? 0 : packed_size(call, address);
    return packed > 0 ? packed : slot_usable(region_request(pool_number(call, address)));
}

size_t route_good_size(size_t request)
{
    if (message_route_suits(request)) {
        return message_route_good_size(request);
    }
    bool elsewhere = route_is_pooled(request) || (route_is_mapped(request) && request <= PTRDIFF_MAX);
    return elsewhere ? slot_usable(request) : fallback_good_size(request);
}
