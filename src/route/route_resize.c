/* Resizes a block for realloc: in place, by a copy, or by moving its pages to a mapped block. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdatomic.h>
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

/* Allocates a slot of the bucket by the fast paths alone, for a request of `request` bytes. Returns NULL if these have
 * no free slot. */
static void *route_alloc_fast(unsigned bucket, size_t request)
{
    void *slot = pool_alloc(bucket_offset_of(bucket), request, NULL);
    return slot != NULL ? slot : pool_alloc_large(bucket, request);
}

/* Allocates a slot of the bucket, of which the program has requested the first `request` bytes. */
static void *route_alloc_roomy(unsigned bucket, size_t request, const void *caller)
{
    void *slot = route_alloc_fast(bucket, request);
    return slot != NULL ? slot : pool_alloc_slow(bucket, request, NULL, caller);
}

/* Returns the bucket for `factor` times the request, or the largest bucket if that is too small. */
static unsigned route_roomy_bucket(size_t request, size_t factor)
{
    size_t largest = route.limit - 1;
    return route_bucket(request < largest / factor ? request * factor : largest);
}

/*
 * How far blocks grow. `bucket` is a bucket whose slots are large enough for most of the blocks that grow, or 0 before
 * that is known. A block that grows for the first time goes to this bucket at once, so that its bytes are copied once,
 * and while they are few. `score` says if the bucket fits. A block that grows for the first time lowers the score. A
 * block that has grown before raises a score below 0 by SCORE_GAIN when it grows to more than half of its slot of the
 * bucket, and raises any score by SCORE_GAIN or more when it grows to more than such a slot can hold. At SCORE_LIMIT a
 * larger bucket is chosen, at -SCORE_LIMIT the next smaller one.
 *
 * A bucket for the few blocks that grow farthest would waste memory, because a small block in a large slot keeps the
 * pages that the slot's former block has touched. REACH_SPACE limits, for the same reason, how large all slots of the
 * bucket may be together, in bytes.
 *
 * Several threads may change both members at once. A change may then be lost, which costs a copy or two.
 */
static struct {
    _Atomic uint32_t bucket;
    _Atomic int32_t score;
} reach;

enum {
    SCORE_LIMIT = 32,
    SCORE_GAIN = 2,
    SCORE_BYTES = 256 << 10, /* for each so many bytes that a second move copies, the score rises by 1 more */
    REACH_FACTOR = 4,        /* a larger bucket has space for this multiple of the size that did not fit */
    REACH_FREE_FACTOR = 8,   /* REACH_SPACE does not limit a bucket for at most this multiple of the request */
    REACH_SPACE = 16 << 20
};

static unsigned reach_bucket(void)
{
    return atomic_load_explicit(&reach.bucket, memory_order_relaxed);
}

static int reach_score(void)
{
    return atomic_load_explicit(&reach.score, memory_order_relaxed);
}

static void reach_set_score(int score)
{
    atomic_store_explicit(&reach.score, score, memory_order_relaxed);
}

static void reach_set(unsigned bucket)
{
    atomic_store_explicit(&reach.bucket, bucket, memory_order_relaxed);
    reach_set_score(0);
}

/* Counts a block that grows for the first time. */
static void reach_count_first(void)
{
    unsigned bucket = reach_bucket();
    int score = reach_score() - 1;
    if (score > -SCORE_LIMIT) {
        reach_set_score(score);
    } else {
        reach_set(bucket > 0 ? bucket - 1 : 0);
    }
}

/* Counts a block that has grown to `request` bytes, which is too much for the slot to which it moved when it grew for
 * the first time. Does nothing if a slot of the bucket that is chosen now could hold it. The more bytes must be copied
 * for that, which are `kept`, the sooner a larger bucket is chosen. */
static void reach_count_second(size_t kept, size_t request)
{
    if (route_roomy_bucket(request, 1) <= reach_bucket()) {
        return;
    }
    int score = reach_score() + SCORE_GAIN + (int)(kept / SCORE_BYTES);
    if (score < SCORE_LIMIT) {
        reach_set_score(score);
    } else {
        reach_set(route_roomy_bucket(request, REACH_FACTOR));
    }
}

/* Counts a block in a slot of the bucket that has grown to more than half of the slot. Such blocks show that the bucket
 * is not too large, but not that it is too small. */
static void reach_count_half(unsigned bucket)
{
    int score = reach_score();
    if (bucket == reach_bucket() && score < 0) {
        reach_set_score(score + SCORE_GAIN);
    }
}

/*
 * Allocates a slot of the bucket that is large enough for most of the blocks that grow, if its slots are larger than
 * those of the bucket `least`. Otherwise returns NULL. Also returns NULL if the bucket's slots are much too large for
 * the request, and all of them, free and live, have REACH_SPACE bytes together. Up to twice as many bytes, a free slot
 * is allocated all the same.
 */
static void *route_alloc_reach(unsigned least, size_t request, const void *caller)
{
    unsigned bucket = reach_bucket();
    if (bucket <= least) {
        return NULL;
    }
    if (bucket <= route_roomy_bucket(request, REACH_FREE_FACTOR)) {
        return route_alloc_roomy(bucket, request, caller);
    }
    size_t together = region_carved(bucket) * region.geometry[bucket].stride;
    if (together > 2 * (size_t)REACH_SPACE) {
        return NULL;
    }
    return together < REACH_SPACE ? route_alloc_roomy(bucket, request, caller) : route_alloc_fast(bucket, request);
}

/* Allocates a slot for a block that grows, and so may grow further. `grows_on` is true if it will probably do so: it
 * then gets space for at least GROWTH_FACTOR times the request, or a slot of the largest bucket. Returns NULL if the
 * smallest bucket that fits is to be used. */
static void *route_alloc_grown(bool grows_on, size_t request, const void *caller)
{
    unsigned least = grows_on ? route_roomy_bucket(request, GROWTH_FACTOR) : route_bucket(request);
    void *target = route_alloc_reach(least, request, caller);
    return target != NULL || !grows_on ? target : route_alloc_roomy(least, request, caller);
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
    bool has_grown = (value & SLOT_GROWN) != 0;
    if (!has_grown) {
        reach_count_first();
    } else if ((value & SLOT_GROWN_AGAIN) == 0) {
        reach_count_second(kept, request);
    }
    void *target = kept >= ROUTE_MAPPED_LEAST ? route_grow_mapped(call, address, kept, request) : NULL;
    if (target != NULL) {
        return target;
    }
    if (route_is_pooled(request) && !pool_is_tight() && region_has_room()) {
        bool grows_on = has_grown || request / GROWTH_LEAP >= slot_meta_request(value);
        target = route_alloc_grown(grows_on, request, caller);
    }
    if (target == NULL) {
        target = route_alloc(request, caller);
    }
    if (target != NULL && route_is_slot(target)) {
        uint32_t number = region_number(target);
        uint32_t again = has_grown ? SLOT_GROWN_AGAIN : 0;
        region_set_request_word(number, region_request_word(number) | SLOT_GROWN | again);
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
    void *target = route_is_pooled(wanted) ? route_alloc_roomy(route_bucket(wanted), request, caller) : NULL;
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
    if (request > capacity / 2 && slot_meta_request(value) <= capacity / 2 && (value & SLOT_GROWN) != 0) {
        reach_count_half(region_bucket(number));
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
