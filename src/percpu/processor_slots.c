/* Slots past a processor's magazine: from the depot and the stacks, and to them, or carved. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "cache/budget.h"
#include "cache/depot.h"
#include "memory/lane.h"
#include "base/probe.h"
#include "percpu/processor.h"
#include "memory/slots.h"

/* Slots that are carved at once: so many that few cache lines of metadata are written by two
 * processors. */
enum { PROCESSOR_RUN = 16 };

static bool processor_peek(unsigned bucket, void ***top)
{
    return sequence_peek(&processors.table, processor_top(bucket), top);
}

static bool processor_swap(unsigned bucket, void **old, void **wanted)
{
    return sequence_swap(&processors.table, processor_top(bucket), old, wanted);
}

/* What `count` slots of the bucket weigh in the budget. */
static int64_t processor_weight(unsigned bucket, uint32_t count)
{
    return (int64_t)(count * lanes.lane[bucket].capacity);
}

/* Gives a magazine that the calling thread owns to the depot. */
static void processor_deposit(unsigned bucket, struct magazine *magazine)
{
    uint32_t count = magazine_count(magazine);
    if (count > 0) {
        probe_spill(bucket, count);
        processor_count(&cache_shared.tally[bucket].deposited, count);
        budget_stock(processor_weight(bucket, count));
    }
    depot_give(bucket, magazine);
}

/* Gives the magazine of a top that a swap has taken out, if there was one. */
static void processor_retire(unsigned bucket, void **top)
{
    struct magazine *magazine = sequence_magazine(top);
    if (magazine != NULL) {
        magazine_set_count(magazine, magazine_depth(top));
        processor_deposit(bucket, magazine);
    }
}

/* Puts a magazine in place of the running processor's empty one; where that has slots meanwhile,
 * or there is no processor, the depot gets it. */
static void processor_install(unsigned bucket, struct magazine *magazine)
{
    void **wanted = magazine->slot + magazine_count(magazine);
    void **top;
    while (processor_peek(bucket, &top) && magazine_depth(top) == 0) {
        if (processor_swap(bucket, top, wanted)) {
            processor_retire(bucket, top);
            return;
        }
    }
    processor_deposit(bucket, magazine);
}

/* The same magazine, or another with as many of its slots as the quota allows, those on top; the
 * rest goes to the depot. NULL: all of it went. */
static struct magazine *processor_fit(unsigned bucket, struct magazine *magazine)
{
    uint32_t quota = processor_quota(bucket);
    uint32_t count = magazine_count(magazine);
    if (count <= quota) {
        return magazine;
    }
    struct magazine *fitting = quota > 0 ? depot_take_empty(bucket) : NULL;
    if (fitting != NULL) {
        memcpy(fitting->slot, magazine->slot + (count - quota), quota * sizeof(void *));
        magazine_set_count(fitting, quota);
        magazine_set_count(magazine, count - quota);
    }
    processor_deposit(bucket, magazine);
    return fitting;
}

/* The slot on top of a magazine that the calling thread owns, and has filled; the rest goes to the
 * processor. */
static void *processor_take_top(unsigned bucket, struct magazine *magazine)
{
    uint32_t left = magazine_count(magazine) - 1;
    void *slot = magazine->slot[left];
    magazine_set_count(magazine, left);
    struct magazine *fitting = processor_fit(bucket, magazine);
    if (fitting != NULL) {
        processor_install(bucket, fitting);
    }
    return slot;
}

static void *processor_take_from_depot(unsigned bucket)
{
    struct magazine *magazine = depot_take_full(bucket);
    if (magazine == NULL) {
        return NULL;
    }
    uint32_t count = magazine_count(magazine);
    processor_count(&cache_shared.tally[bucket].depot_hits, 1);
    processor_count(&cache_shared.tally[bucket].withdrawn, count);
    budget_stock(-processor_weight(bucket, count));
    return processor_take_top(bucket, magazine);
}

/* NULL: no memory, no magazine, or nobody to carve a run for. */
static void *processor_carve(unsigned bucket)
{
    void **top;
    uint32_t quota = processor_quota(bucket);
    struct magazine *magazine =
        quota > 0 && processor_peek(bucket, &top) ? depot_take_empty(bucket) : NULL;
    if (magazine == NULL) {
        return NULL;
    }
    unsigned run = quota < PROCESSOR_RUN ? quota : PROCESSOR_RUN;
    uint32_t carved = lane_carve(bucket, run, magazine->slot);
    if (carved == 0) {
        depot_give(bucket, magazine);
        return NULL;
    }
    processor_count(&cache_shared.tally[bucket].carves, 1);
    magazine_set_count(magazine, carved);
    return processor_take_top(bucket, magazine);
}

/* A single slot out of what has no magazines. */
static void *processor_take_single(unsigned bucket, enum processor_source *source)
{
    static const enum processor_source named[] = {[SLOTS_NONE] = PROCESSOR_NONE,
                                                  [SLOTS_LOOSE] = PROCESSOR_LOOSE,
                                                  [SLOTS_PURGED] = PROCESSOR_PURGED,
                                                  [SLOTS_CARVED] = PROCESSOR_CARVED};
    struct cache_tally *tally = &cache_shared.tally[bucket];
    struct counter *const counters[] = {[SLOTS_LOOSE] = &tally->stack_hits,
                                        [SLOTS_PURGED] = &tally->unpurged,
                                        [SLOTS_CARVED] = &tally->carves};
    enum slots_source found;
    void *slot = slots_take(bucket, &found);
    *source = named[found];
    if (found != SLOTS_NONE) {
        processor_count(counters[found], 1);
    }
    if (found == SLOTS_LOOSE) {
        budget_stock(-processor_weight(bucket, 1));
    }
    return slot;
}

static bool processor_has_loose(unsigned bucket)
{
    return slots_have_loose(bucket) || slots_have_purged(bucket);
}

OUT_OF_LINE void *processor_take_slow(unsigned bucket, enum processor_source *source)
{
    probe_miss(bucket, processor_quota(bucket));
    processor_count(&cache_shared.tally[bucket].misses, 1);
    *source = PROCESSOR_DEPOT;
    void *slot = processor_take_from_depot(bucket);
    if (slot == NULL && !processor_has_loose(bucket)) {
        *source = PROCESSOR_CARVED;
        slot = processor_carve(bucket);
    }
    return slot != NULL ? slot : processor_take_single(bucket, source);
}

/* Sends what the running processor still holds of a bucket without a quota to the depot. */
static void processor_drain(unsigned bucket)
{
    void **top;
    while (processor_peek(bucket, &top) && top != NULL) {
        if (processor_swap(bucket, top, NULL)) {
            processor_retire(bucket, top);
            return;
        }
    }
}

/* Whether a push within that limit would fail. */
static bool processor_is_full(void **top, uint32_t limit)
{
    return top == NULL || magazine_depth(top) * sizeof(void *) >= limit;
}

/*
 * Puts `slot`, which is also the first in an empty magazine of the calling thread's, on the running
 * processor: by that magazine where the present one is full, else into the present one, and the
 * empty one remains. False: no processor, and it remains, too.
 */
static bool processor_place(unsigned bucket, void *slot, uint32_t limit, struct magazine *empty)
{
    void **top;
    while (processor_peek(bucket, &top)) {
        if (!processor_is_full(top, limit)) {
            if (sequence_push(&processors.table, processor_top(bucket), slot, limit)) {
                depot_give(bucket, empty);
                return true;
            }
        } else if (processor_swap(bucket, top, empty->slot + 1)) {
            processor_retire(bucket, top);
            return true;
        }
    }
    depot_give(bucket, empty);
    return false;
}

OUT_OF_LINE bool processor_give_slow(unsigned bucket, void *slot)
{
    uint32_t limit = processor_limit(bucket);
    if (limit == 0) {
        processor_drain(bucket);
        return false;
    }
    probe_miss(bucket, limit / sizeof(void *));
    processor_count(&cache_shared.tally[bucket].misses, 1);
    struct magazine *empty = depot_take_empty(bucket);
    if (empty == NULL) {
        return false;
    }
    empty->slot[0] = slot;
    return processor_place(bucket, slot, limit, empty);
}
