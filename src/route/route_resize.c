/* Resizes a block for realloc: in place, by a copy, or by moving its pages to a mapped block. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/bounds.h"
#include "pool/in_use.h"
#include "route/message_route.h"
#include "route/packed.h"
#include "route/route.h"
#include "route/slack.h"

enum {
    /* if realloc shrinks a block to less than a quarter of its slot, the block moves to a smaller slot */
    SHRINK_FACTOR = 4,
    GROWTH_FACTOR = 32, /* a block that will probably grow further gets space for this multiple of its size */
    GROWTH_LEAP = 4,    /* a block that grows to this multiple of its size at once will probably grow further */
};

/* For the list of slots in use: records that `caller`, which has called realloc, has allocated the slot `target`. The
 * recorded time is the one at which the block in slot `address` was allocated. */
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

/* Moves a block from its slot to a mapped block, by moving the pages of its first `kept` bytes. Returns NULL if that
 * cannot be done. */
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
    void *target = kept >= ROUTE_MAPPED_LEAST ? route_grow_mapped(call, address, kept, request) : NULL;
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

/* Resizes a block of a packed slot, which several blocks share. The program may use `held` bytes of the block. The
 * block stays in place if it is large enough and the request is at least a quarter of `held`. */
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
 * and below ROUTE_MAPPED_LEAST, or if the kernel cannot make it longer. A realloc to fewer bytes never fails.
 */
static void *route_resize_mapped(const char *call, void *address, size_t held, size_t request, const void *caller)
{
    bool moves_down = request < ROUTE_MAPPED_LEAST && request < held / SHRINK_FACTOR;
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
