/* Chooses for each call whether the pools, a mapped block or mimalloc serves it: by size, alignment or address. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/route.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "config/message.h"
#include "config/option.h"
#include "memory/mapped.h"
#include "memory/reserve.h"
#include "os/frozen.h"
#include "os/os.h"
#include "pool/histogram.h"
#include "pool/in_use.h"
#include "route/message_route.h"
#include "route/packed.h"
#include "route/slack.h"

enum {
    /* if realloc shrinks a block to less than a quarter of its slot, the block moves to a smaller slot */
    SHRINK_FACTOR = 4,
    GROWTH_FACTOR = 32, /* a block that will probably grow further gets space for this multiple of its size */
    GROWTH_LEAP = 4,    /* a block that grows to this multiple of its size at once will probably grow further */
};

/*
 * Two sizes in bytes. Above the pools' sizes, requests from MAPPED_LEAST on become mapped blocks. realloc copies blocks
 * that are smaller than MAPPED_LEAST, because the slot that such a block leaves keeps its pages for the next block,
 * which then causes no page faults. The pages of larger blocks move with the block. While memory is tight, requests
 * from MAPPED_TIGHT on are mapped too, because a mapping wastes none of its pages; blocks smaller than that would make
 * too many mappings.
 */
enum { MAPPED_LEAST = 4 << 20, MAPPED_TIGHT = 64 << 10 };

FROZEN_OBJECT struct route route;

/* Requests smaller than this are not sampled for the histogram. */
static size_t seen_least;

/* The value of route.direct_below that start-up or route_lower_direct has set. It is in force while route_sample_small
 * has not begun to sample small requests. */
static size_t direct_at_rest;

void route_watch_small(bool wanted)
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
 * Makes requests from PACKED_LEAST bytes on leave malloc's direct way to mimalloc, so that packed slots serve them.
 * Slow paths call this function while memory is tight. It tries once: if frozen_open refuses, these requests stay with
 * mimalloc, which wastes more memory on them.
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

/* Ends the sampling of small requests if its time is over. The time is compared again after frozen_open, when no other
 * thread can change it, because a new sampling may just have begun. */
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

void route_publish(const struct bucket_plan *plan)
{
    route.minimum = plan->minimum;
    route.limit = plan->maximum + 1;
    route.mapped_least = GREATER(route.limit, MAPPED_LEAST);
}

/* Returns true if a request outside the pools' sizes becomes a mapped block. */
static bool route_is_mapped(size_t request)
{
    return route.mapped_least > 0 && request >= route.mapped_least;
}

/* True if the kernel has refused memory again after mimalloc had given back its free memory. */
static atomic_bool collected_in_vain;

/*
 * If the kernel has refused memory, makes mimalloc give back its free memory. Returns true if the allocation should be
 * tried again. mimalloc has to walk through the thread's heap for that. So after an attempt in vain, only every
 * PAUSE-th call makes mimalloc do it.
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

/* Records if the allocation that was tried again after route_collect has failed, which is so if `block` is NULL.
 * Returns `block`. */
static void *route_note_collected(void *block)
{
    atomic_store_explicit(&collected_in_vain, block == NULL, memory_order_relaxed);
    return block;
}

/*
 * Allocates a mapped block. If the kernel has no memory for it, free slots are unmapped, and then free memory of
 * mimalloc, and the kernel is called again. Free slots stay mapped if all slots together are smaller than the request.
 * Returns NULL if there is no memory, or if the alignment or the request is too large.
 */
static COLD void *route_alloc_mapped(size_t alignment, size_t request)
{
    bool refused;
    void *block = mapped_alloc(alignment, request, &refused);
    if (refused && request <= region_ready() && pool_return() > 0) {
        block = mapped_alloc(alignment, request, &refused);
    }
    return refused && route_collect() ? route_note_collected(mapped_alloc(alignment, request, &refused)) : block;
}

/*
 * Returns true if memory is tight and the request would leave too much of a slot unused. A limit on mapped memory
 * counts the whole slot, however little of it the program touches. Then a packed slot, mimalloc or, from MAPPED_TIGHT
 * on, a mapping serves the request, and wastes less. The result is true even if the bucket has a free slot, because
 * pool_return unmaps free slots when the kernel refuses memory. A request of MAPPED_TIGHT bytes or more may leave a
 * seventh of the slot, because a mapping costs two system calls; a smaller one may leave a tenth.
 */
static bool route_wastes(unsigned bucket, size_t request)
{
    size_t stride = region.geometry[bucket].stride;
    return UNLIKELY(pool_is_tight()) && request < (request < MAPPED_TIGHT ? stride / 10 * 9 : stride / 7 * 6);
}

/* Allocates a block of a packed slot. If the kernel has no memory for another slot, unmaps free slots, and then free
 * memory of mimalloc. Returns NULL if there is no memory. */
static COLD void *route_alloc_packed(size_t request, const void *caller)
{
    void *block = packed_alloc(request, caller);
    if (block == NULL && pool_return() > 0) {
        block = packed_alloc(request, caller);
    }
    return block == NULL && route_collect() ? route_note_collected(packed_alloc(request, caller)) : block;
}

/* Allocates a mapped block or, while memory is tight, a block of a packed slot, for a request that has got no slot.
 * Returns NULL if mimalloc has to serve the request, or if there is no memory. */
static COLD void *route_alloc_instead(size_t request, const void *caller)
{
    bool tight = pool_is_tight();
    if (request >= (tight ? MAPPED_TIGHT : MAPPED_LEAST)) {
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
 * Serves a request that has got no slot: as a mapped block, as a part of a packed slot, or from mimalloc.
 * While memory is tight and the kernel refuses mimalloc memory, free slots are unmapped and mimalloc tries again. If
 * that fails too, a slot serves the request, however much of it is wasted.
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
 * Allocates a slot by the slow path. If the kernel has no memory for one, unmaps free slots, and then free memory of
 * mimalloc, and tries the slow path again. If there is still no slot, counts the request as one that falls through to
 * mimalloc, and returns NULL.
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

/* Returns `address`, the block with which a request outside the pools' sizes was served. If the request is the thread's
 * next one to be sampled, counts it in the histogram. A failed request, with the address NULL, is not sampled. */
static void *route_see(void *address, size_t request)
{
    static _Thread_local uint32_t left __attribute__((tls_model("initial-exec")));
    if (request < seen_least || address == NULL) {
        return address;
    }
    if (UNLIKELY(left == 0)) {
        /* The first request that a thread samples is a random one, so that many threads with few requests each are
         * counted in proportion. */
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
 * packed slot, and not by mimalloc. */
FAST_PATH bool route_is_special(size_t request)
{
    return message_route_suits(request) || route_is_mapped(request) || pool_is_known_tight();
}

/*
 * Serves a request for which route_is_special has returned true: from a message page, as a mapped block or, while
 * memory is tight, as a part of a packed slot. Returns NULL if mimalloc has to serve the request, or if there is no
 * memory.
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

/* Returns true if the address lies where mimalloc has nearly all its memory, and where only blocks of mimalloc lie. */
static bool route_is_hinted(const void *address)
{
    return (uintptr_t)address - route.hints < route.hints_length;
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

void route_open(void)
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
     * Under `ulimit -s unlimited` the kernel places mappings at these addresses too. A free would take a mapped block
     * there for a block of mimalloc, so no mapped blocks are made.
     */
    char *place = os_find_free(os_page_size());
    if (place != NULL && !route_is_hinted(place)) {
        mapped_open(route.hints, route.hints_length);
    }
}

/* Returns the bytes that were last requested for a mapped block, or 0 if no mapped block begins at the address. */
static size_t route_mapped_request(const void *address)
{
    return route_is_hinted(address) ? 0 : mapped_request(address);
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

/* Returns true if a live slot begins at the address. The slot may be a packed one. */
static bool route_is_slot(const void *address)
{
    return region_owns(address) && region_is_exact(region_offset(address)) &&
           slot_meta_state(region_meta(region_number(address))) == SLOT_LIVE;
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
        /* The pools had no slot, and this block of mimalloc's or of a packed slot is aligned only to 16 bytes. The
         * request is already counted. */
        route_free("free", block);
        block = fallback_alloc_aligned(alignment, request);
        return block != NULL ? block : route_alloc_wasteful(request, NULL, caller);
    }
    void *block = request >= MAPPED_LEAST && route.limit > 0 ? route_alloc_mapped(alignment, request) : NULL;
    block = block != NULL ? block : fallback_alloc_aligned(alignment, request);
    if (pooled) {
        pool_count_fall_through(route_bucket(request), request);
        return block;
    }
    return route_see(block, request);
}

/* For the list of slots in use: records `caller`, which has called realloc, as the one that has allocated slot
 * `target`, with the time at which the block in slot `address` was allocated. */
static COLD void route_note(const void *address, const void *target, const void *caller)
{
    if (route_is_slot(address) && route_is_slot(target)) {
        uint64_t taken_at = in_use_find(region_number(address)).taken_at;
        in_use_note_at(region_number(target), caller, taken_at);
    }
}

/* Copies the first `kept` bytes of the block to `target`, and frees the block. If `target` is NULL, does nothing,
 * because realloc promises that the old block then stays. */
static void *route_move(const char *call, void *address, size_t kept, void *target, const void *caller)
{
    if (target != NULL) {
        memcpy(target, address, kept);
        if (UNLIKELY(in_use_is_kept())) {
            /*
             * records the caller before the old slot is freed, because another thread may allocate that slot afterwards
             */
            route_note(address, target, caller);
        }
        route_free(call, address);
    }
    return target;
}

/* Allocates a slot with space for `wanted` bytes, of which the program has requested the first `request` bytes. */
static void *route_alloc_roomy(size_t wanted, size_t request, const void *caller)
{
    void *slot = pool_alloc(route_offset(wanted), request, NULL);
    return slot != NULL ? slot : pool_alloc_slow(route_bucket(wanted), request, NULL, caller);
}

/* Allocates a slot for a block that will probably grow further. The slot has space for GROWTH_FACTOR times the request,
 * or is one of the largest bucket if that is too small. */
static void *route_alloc_grown(size_t request, const void *caller)
{
    size_t largest = route.limit - 1;
    size_t wanted = request < largest / GROWTH_FACTOR ? request * GROWTH_FACTOR : largest;
    return route_alloc_roomy(wanted, request, caller);
}

/* Moves the pages of the block in a slot, `kept` bytes, to a mapped block. Returns NULL if that cannot be done. */
static void *route_grow_mapped(const char *call, void *address, size_t kept, size_t request)
{
    void *target = route.mapped_least > 0 ? mapped_from_slot(address, kept, request) : NULL;
    if (target != NULL) {
        route_free(call, address);
        route_see(target, request);
    }
    return target;
}

static void *route_grow(const char *call, void *address, uint32_t value, size_t request, const void *caller)
{
    /* All usable bytes are kept, because the program may use as many as malloc_usable_size returns, and not only as
     * many as it has requested. */
    size_t kept = slot_usable(slot_meta_request(value));
    void *target = kept >= MAPPED_LEAST ? route_grow_mapped(call, address, kept, request) : NULL;
    if (target != NULL) {
        return target;
    }
    bool grows_on = (value & SLOT_GROWN) != 0 || request / GROWTH_LEAP >= slot_meta_request(value);
    if (grows_on && route_is_pooled(request) && !pool_is_tight() && region_has_room()) {
        target = route_alloc_grown(request, caller);
    }
    if (target == NULL) {
        target = route_alloc(request, caller);
    }
    if (target != NULL && route_is_slot(target)) {
        uint32_t number = region_number(target);
        region_set_request_word(number, region_request_word(number) | SLOT_GROWN);
    }
    return route_move(call, address, kept, target, caller);
}

/* Sets the request of a slot whose block stays in place, and returns the block. */
static void *route_stay(void *address, uint32_t number, size_t request, const void *caller)
{
    if (UNLIKELY(in_use_is_kept())) {
        route_note(address, address, caller);
    }
    region_set_request_word(number, (region_request_word(number) & ~SLOT_REQUEST_MASK) | (uint32_t)request);
    return address;
}

/*
 * Resizes a block in whose slot the program keeps data of its own (slack.h). The block never moves to a smaller slot.
 * If it moves, it gets a slot with space for this data too, which is then copied; if there is no such slot, only the
 * block is copied.
 */
static COLD void *route_resize_slack(const char *call, void *address, size_t request, const void *caller)
{
    uint32_t number = pool_number(call, address);
    if (slack_leaves_room(number, request)) {
        return route_stay(address, number, request, caller);
    }
    size_t wanted = route_is_pooled(request) ? slot_usable(request) + slack_of(number) : 0;
    void *target = route_is_pooled(wanted) ? route_alloc_roomy(wanted, request, caller) : NULL;
    target = target != NULL ? target : route_alloc(request, caller);
    if (target != NULL && route_is_slot(target)) {
        slack_move(number, region_number(target));
    }
    return route_move(call, address, slot_usable(region_request(number)), target, caller);
}

/* Resizes a block of a packed slot, of which `held` bytes may be used. The block stays in place if it is large enough
 * and the request is at least a quarter of `held`. */
static COLD void *route_resize_packed(const char *call, void *address, size_t held, size_t request, const void *caller)
{
    if (request <= held && request >= held / SHRINK_FACTOR) {
        return address;
    }
    void *target = route_move(call, address, LESSER(held, request), route_alloc(request, caller), caller);
    return target != NULL || request > held ? target : address;
}

static void *route_resize_slot(const char *call, void *address, size_t request, const void *caller)
{
    size_t packed = route_is_slot(address) ? 0 : packed_size(call, address);
    if (UNLIKELY(packed > 0)) {
        return route_resize_packed(call, address, packed, request, caller);
    }
    uint32_t number = pool_number(call, address);
    uint32_t value = region_request_word(number);
    if (UNLIKELY(slack_of(number) > 0)) {
        return route_resize_slack(call, address, request, caller);
    }
    size_t capacity = region.geometry[region_bucket(number)].capacity;
    if (request > capacity) {
        return route_grow(call, address, value, request, caller);
    }
    bool moves_down = request < capacity / SHRINK_FACTOR && request < slot_meta_request(value);
    void *target = moves_down ? route_alloc(request, caller) : NULL;
    if (target != NULL) {
        return route_move(call, address, request, target, caller);
    }
    /* The block stays in place even if there was no memory for a smaller slot, because a realloc to fewer bytes never
     * fails. */
    return route_stay(address, number, request, caller);
}

/* Resizes a block of mimalloc's. If the block grows into the sizes of the pools or of mapped blocks, it becomes a slot
 * or a mapped block; all other blocks stay with mimalloc. */
static void *route_resize_fallback(const char *call, void *address, size_t request, const void *caller)
{
    size_t held = fallback_usable_size(address);
    bool elsewhere = route_is_pooled(request) || route_is_mapped(request);
    if (request <= held || !elsewhere || fallback_is_foreign(address)) {
        return route_see(fallback_resize(address, request), request);
    }
    return route_move(call, address, held, route_alloc(request, caller), caller);
}

/*
 * Resizes a mapped block, for which `held` bytes were requested. It is copied only if it shrinks to less than a quarter
 * and below MAPPED_LEAST, or if the kernel cannot make it longer. A realloc to fewer bytes never fails.
 */
static void *route_resize_mapped(const char *call, void *address, size_t held, size_t request, const void *caller)
{
    bool moves_down = request < MAPPED_LEAST && request < held / SHRINK_FACTOR;
    void *target = moves_down ? NULL : mapped_resize(address, request);
    if (target != NULL) {
        return target;
    }
    target = route_move(call, address, LESSER(slot_usable(held), request), route_alloc(request, caller), caller);
    return target != NULL || request > held ? target : mapped_resize(address, request);
}

/* Resizes a block of a message page. The block stays in place if it is large enough and the request is at least a
 * quarter of its size. */
static void *route_resize_message(const char *call, void *address, size_t request, const void *caller)
{
    size_t held = message_route_size(call, address);
    if (request <= held && request >= held / SHRINK_FACTOR) {
        return address;
    }
    void *target = route_move(call, address, LESSER(held, request), route_alloc(request, caller), caller);
    return target != NULL || request > held ? target : address;
}

void *route_realloc(const char *call, void *address, size_t request, const void *caller)
{
    if (address == NULL) {
        return route_alloc(request, caller);
    }
    if (request == 0) {
        route_free(call, address);
        return NULL;
    }
    if (region_owns(address)) {
        return route_resize_slot(call, address, request, caller);
    }
    if (message_route_owns(address)) {
        return route_resize_message(call, address, request, caller);
    }
    size_t held = route_mapped_request(address);
    return held > 0 ? route_resize_mapped(call, address, held, request, caller)
                    : route_resize_fallback(call, address, request, caller);
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
