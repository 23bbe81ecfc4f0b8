/* Implements a worker and its operations on a single block. Each operation checks the block, and is counted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker.h"

#include <string.h>

#include "claim.h"
#include "command.h"
#include "content.h"
#include "fault.h"
#include "lay.h"
#include "pool/in_use.h"
#include "route/route.h"

void worker_begin(struct worker *worker, unsigned number)
{
    memset(worker, 0, sizeof *worker);
    worker->number = number;
    worker->random = (command.seed + 1) * UINT64_C(0xd1342543de82ef95) + number;
}

/* Returns the next random number: adds a constant (the golden ratio) to the state, and mixes the bits (G. Steele, D.
 * Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014). */
uint64_t worker_random(struct worker *worker)
{
    uint64_t mixed = worker->random += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* Returns the largest request, in bytes, that the bucket serves. */
static size_t worker_most(unsigned bucket)
{
    size_t capacity = lay_plan.capacity[bucket];
    return capacity < lay_plan.maximum ? capacity : lay_plan.maximum;
}

size_t worker_size(struct worker *worker)
{
    unsigned one = (unsigned)(worker_random(worker) % lay_plan.count);
    unsigned other = (unsigned)(worker_random(worker) % lay_plan.count);
    unsigned bucket = one < other ? one : other;
    size_t most = worker_most(bucket);
    size_t least = bucket > 0 ? lay_plan.capacity[bucket - 1] + 1 : lay_plan.minimum;
    return least + worker_random(worker) % (most - least + 1);
}

static uint64_t worker_next_serial(struct worker *worker)
{
    return (uint64_t)(worker->number + 1) << 48 | ++worker->blocks;
}

/* Returns the serial number as a pointer. The library stores this pointer in place of a block's caller (pool/in_use.c),
 * and the test checks that it returns the same pointer later. */
static const void *worker_caller(uint64_t serial)
{
    return (const void *)(uintptr_t)serial;
}

static void worker_fill(char *block, size_t request, uint64_t serial)
{
    content_fill(block, &(struct content){.origin = block, .serial = serial, .size = request});
    claim_fill(block);
}

static void worker_compare(const char *block, size_t kept, const struct content *content)
{
    size_t at = content_compare(block, kept, content);
    if (at != SIZE_MAX) {
        uint64_t found;
        memcpy(&found, block + at, sizeof found);
        fault_die("%p, %zu bytes filled at %p by owner %lx: byte %zu begins %lx", (const void *)block, content->size,
                  (const void *)content->origin, content->serial, at, found);
    }
}

/* Checks that the metadata of a block agree with its claim: the owner and the request that the test's own table has for
 * the block. */
static void worker_check_metadata(const char *block, const struct claim *claim)
{
    struct place place = region_find(block);
    uint8_t meta = region_meta(place.number);
    size_t request = region_request(place.number);
    if (slot_meta_state(meta) != SLOT_LIVE || request != claim->request) {
        fault_die("%p has %zu bytes of owner %lx; its metadata says %x and %zu", (const void *)block, claim->request,
                  claim->serial, meta, request);
    }
    const void *caller = in_use_find(place.number).caller;
    if (in_use_is_kept() && caller != worker_caller(claim->serial)) {
        fault_die("%p belongs to owner %lx; its note names %p", (const void *)block, claim->serial, caller);
    }
}

static struct content worker_content(const char *block, const struct claim *claim)
{
    return (struct content){.origin = block, .serial = claim->serial, .size = claim->request};
}

void worker_check(const char *block)
{
    struct place place = region_find(block);
    struct claim claim = claim_read(place.number);
    struct content content = worker_content(block, &claim);
    worker_check_metadata(block, &claim);
    worker_compare(block, claim.request, &content);
}

/* Frees and counts a block that came from mimalloc because the pools had no slot for the request. Returns NULL. */
static char *worker_fall_through(struct worker *worker, char *block, size_t request)
{
    route_free("free", block);
    books_fall_through(&worker->books, route_bucket(request), request);
    return NULL;
}

char *worker_take(struct worker *worker, size_t request, bool zeroed)
{
    uint64_t serial = worker_next_serial(worker);
    const void *caller = worker_caller(serial);
    char *block = zeroed ? route_alloc_zeroed(1, request, caller) : route_alloc(request, caller);
    if (!region_owns(block)) {
        return worker_fall_through(worker, block, request);
    }
    claim_make(block, request, serial);
    if (zeroed && !content_is_zero(block, request)) {
        fault_die("%p, %zu bytes of calloc: not zero", (void *)block, request);
    }
    worker_fill(block, request, serial);
    counters_alloc(&worker->books, route_bucket(request), request);
    return block;
}

void worker_give(struct worker *worker, char *block)
{
    unsigned bucket = (unsigned)region_find(block).bucket;
    worker_check(block);
    struct claim claim = claim_drop(block);
    route_free("free", block);
    counters_free(&worker->books, bucket, claim.request);
}

static char *worker_moved(struct worker *worker, unsigned from, const struct claim *old, char *block, size_t request,
                          uint64_t serial)
{
    counters_free(&worker->books, from, old->request);
    if (!region_owns(block)) {
        return worker_fall_through(worker, block, request);
    }
    claim_make(block, request, serial);
    worker_fill(block, request, serial);
    counters_alloc(&worker->books, (unsigned)region_find(block).bucket, request);
    return block;
}

char *worker_resize(struct worker *worker, char *block, size_t request)
{
    unsigned bucket = (unsigned)region_find(block).bucket;
    worker_check(block);
    uint64_t serial = worker_next_serial(worker);
    atomic_store_explicit(&worker->resizing, true, memory_order_relaxed);
    struct claim claim = claim_drop(block);
    struct content content = worker_content(block, &claim);
    char *target = route_realloc("realloc", block, request, worker_caller(serial));
    size_t kept = request < claim.request ? request : claim.request;
    worker_compare(target, kept, &content);
    if (target == block) {
        claim_make(target, request, serial);
        worker_fill(target, request, serial);
        books_resize(&worker->books, bucket, claim.request, request);
    } else {
        target = worker_moved(worker, bucket, &claim, target, request, serial);
    }
    atomic_store_explicit(&worker->resizing, false, memory_order_relaxed);
    return target;
}

char *worker_seize(struct worker *worker, unsigned bucket)
{
    size_t request = worker_most(bucket);
    uint64_t serial = worker_next_serial(worker);
    char *block = route_alloc(request, worker_caller(serial));
    if (!region_owns(block)) {
        return worker_fall_through(worker, block, request);
    }
    claim_make(block, request, serial);
    counters_alloc(&worker->books, bucket, request);
    return block;
}
