/*
 * The caches of the processors, for SOCKMALLOC_POOL=cpu: each processor has one magazine of free slots for each bucket.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "percpu/percpu.h"

#include <string.h>

#include "base/bounds.h"
#include "base/probe.h"
#include "cache/budget.h"
#include "cache/depot.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "memory/slots.h"
#include "memory/table.h"
#include "os/os.h"
#include "os/os_processors.h"

/*
 * How many processors can have a record, which holds the processor's magazines. On a processor with a higher number,
 * slots come from the depot and the stacks.
 */
enum { PROCESSORS_MAX = 1 << 12 };

_Static_assert(sizeof(struct cache) == RSEQ_RECORD, "a processor's number finds its record");

struct processors processors;
static struct table records;
static atomic_flag sharing = ATOMIC_FLAG_INIT;

static size_t percpu_limit_of_records(void)
{
    /* the number of processors is read only once, so that the table gets as many bytes as percpu_space has said */
    static size_t limit;
    if (limit == 0) {
        limit = os_processors();
        limit = LESSER(limit, PROCESSORS_MAX);
    }
    return limit;
}

static size_t percpu_table_size(void)
{
    return os_round_to_pages(percpu_limit_of_records() * sizeof(struct cache));
}

size_t percpu_space(void)
{
    return reserve_space(percpu_table_size());
}

bool percpu_lay(void)
{
    size_t size = percpu_table_size();
    bool laid = table_open(&records, reserve_cut(size), size, size);
    processors.table.records = records.start;
    processors.table.area = rseq_area_offset();
    atomic_store_explicit(&processors.table.count, 0, memory_order_relaxed);
    return laid;
}

void percpu_unlay(void)
{
    table_close(&records);
}

bool percpu_open(void)
{
    size_t limit = percpu_limit_of_records();
    if (!rseq_available() || !table_reach(&records, limit * sizeof(struct cache))) {
        return false;
    }
    atomic_store_explicit(&processors.table.count, limit, memory_order_release);
    return true;
}

void percpu_set_quota(unsigned bucket, uint32_t quota)
{
    uint32_t count = LESSER(quota, MAGAZINE_SLOTS);
    atomic_store_explicit(&processors.limit[bucket], count * (uint32_t)sizeof(void *), memory_order_relaxed);
}

uint32_t percpu_records(void)
{
    return (uint32_t)atomic_load_explicit(&processors.table.count, memory_order_acquire);
}

uint32_t percpu_capacity(void)
{
    return PROCESSORS_MAX;
}

struct cache *percpu_at(uint32_t number)
{
    return (struct cache *)(void *)processors.table.records + number;
}

void percpu_forget(void)
{
    for (uint32_t number = 0; number < percpu_records(); number++) {
        struct cache *record = percpu_at(number);
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            /* writes only to records that hold a magazine, so that the pages of the other records do not become
             * resident */
            if (atomic_load_explicit(&record->bin[bucket].top, memory_order_relaxed) != NULL) {
                atomic_store_explicit(&record->bin[bucket].top, NULL, memory_order_relaxed);
            }
        }
    }
}

void percpu_reset(void)
{
    table_after_fork(&records);
    atomic_flag_clear_explicit(&sharing, memory_order_relaxed);
    for (uint32_t number = 0; number < percpu_records(); number++) {
        struct cache *record = percpu_at(number);
        /* writes only to records that were used, so that the pages of the other records do not become resident */
        if (memcmp(record, &cache_none, sizeof *record) != 0) {
            memset(record, 0, sizeof *record);
        }
    }
}

/* Raises the quota of one bucket on all processors by as many slots as `bytes` bytes of the budget pay for. */
static void percpu_raise_quota(unsigned bucket, uint64_t bytes)
{
    uint64_t price = (uint64_t)percpu_records() * region.geometry[bucket].capacity;
    uint32_t had = percpu_quota(bucket);
    uint64_t more = bytes / price;
    more = LESSER(more, MAGAZINE_SLOTS - had);
    if (more > 0 && budget_charge(more * price)) {
        percpu_set_quota(bucket, had + (uint32_t)more);
    }
}

/*
 * Divides what is left of the budget equally among buckets and processors. How much a bucket was used on a processor so
 * far would be no good measure, because threads move, and the load may change at any time.
 */
void percpu_share_budget(unsigned trained)
{
    if (percpu_records() == 0 || atomic_flag_test_and_set_explicit(&sharing, memory_order_acquire)) {
        /* there are no records, or another thread is already dividing what is left of the budget */
        return;
    }
    for (unsigned bucket = 0; bucket < trained; bucket++) {
        percpu_raise_quota(bucket, budget_left() / (trained - bucket));
    }
    atomic_flag_clear_explicit(&sharing, memory_order_release);
}

uint64_t percpu_charge(void)
{
    uint64_t charge = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        charge += (uint64_t)percpu_quota(bucket) * region.geometry[bucket].capacity;
    }
    return charge * percpu_records();
}

/* --- the slow paths: what happens when a processor's magazine is empty or full --- */

/*
 * How many slots are carved at once. With 16 slots side by side, two processors rarely write to the same cache line of
 * metadata.
 */
enum { PERCPU_RUN = 16 };

/*
 * Stores in `top` the top of the bucket's magazine, from the record of the processor that the thread runs on. Returns
 * false if the processor has no record.
 */
static bool percpu_peek(unsigned bucket, void ***top)
{
    return rseq_peek(&processors.table, percpu_top(bucket), top);
}

/*
 * Sets the top of the bucket's magazine, in the record of the processor that the thread runs on, to `wanted` if it
 * still is `old`. Otherwise changes nothing and returns false.
 */
static bool percpu_swap(unsigned bucket, void **old, void **wanted)
{
    return rseq_swap(&processors.table, percpu_top(bucket), old, wanted);
}

/* Returns how many bytes of the budget `count` slots of the bucket take up. */
static int64_t percpu_weight(unsigned bucket, uint32_t count)
{
    return (int64_t)(count * region.geometry[bucket].capacity);
}

/* Pushes a magazine that the calling thread owns to the depot, and counts its slots. */
static void percpu_deposit(unsigned bucket, struct magazine *magazine)
{
    uint32_t count = magazine_count(magazine);
    if (count > 0) {
        probe_flush(bucket, count);
        percpu_count(&cache_shared.tally[bucket].deposited, count);
        budget_retain(percpu_weight(bucket, count));
    }
    depot_push(bucket, magazine);
}

/*
 * Pushes to the depot the magazine into which `top` points; percpu_swap has just removed this magazine from a
 * processor's record. Does nothing if `top` is NULL.
 */
static void percpu_retire(unsigned bucket, void **top)
{
    struct magazine *magazine = rseq_magazine(top);
    if (magazine != NULL) {
        magazine_set_count(magazine, magazine_depth(top));
        percpu_deposit(bucket, magazine);
    }
}

/*
 * Gives a magazine to the processor on which the thread runs, if that processor has an empty magazine or none. If the
 * processor has a magazine with slots, or no record, pushes `magazine` to the depot.
 */
static void percpu_install(unsigned bucket, struct magazine *magazine)
{
    void **wanted = magazine->slot + magazine_count(magazine);
    void **top;
    while (percpu_peek(bucket, &top) && magazine_depth(top) == 0) {
        if (percpu_swap(bucket, top, wanted)) {
            percpu_retire(bucket, top);
            return;
        }
    }
    percpu_deposit(bucket, magazine);
}

/*
 * Returns `magazine` if it has no more slots than the quota. Otherwise moves as many of its top slots as the quota
 * permits to an empty magazine, pushes `magazine` with the other slots to the depot, and returns the magazine with the
 * moved slots. Returns NULL if the quota is 0 or there is no empty magazine; all slots are in the depot then.
 */
static struct magazine *percpu_fit(unsigned bucket, struct magazine *magazine)
{
    uint32_t quota = percpu_quota(bucket);
    uint32_t count = magazine_count(magazine);
    if (count <= quota) {
        return magazine;
    }
    struct magazine *fitting = quota > 0 ? depot_pop_empty(bucket) : NULL;
    if (fitting != NULL) {
        memcpy(fitting->slot, magazine->slot + (count - quota), quota * sizeof(void *));
        magazine_set_count(fitting, quota);
        magazine_set_count(magazine, count - quota);
    }
    percpu_deposit(bucket, magazine);
    return fitting;
}

/*
 * Pops the top slot of a magazine that belongs to the calling thread and is not empty. Gives the magazine with the
 * other slots to the processor on which the thread runs.
 */
static void *percpu_pop_top(unsigned bucket, struct magazine *magazine)
{
    uint32_t left = magazine_count(magazine) - 1;
    void *slot = magazine->slot[left];
    magazine_set_count(magazine, left);
    struct magazine *fitting = percpu_fit(bucket, magazine);
    if (fitting != NULL) {
        percpu_install(bucket, fitting);
    }
    return slot;
}

/* Allocates a slot from a magazine of the depot. Returns NULL if the depot has no slots. */
static void *percpu_pop_from_depot(unsigned bucket)
{
    struct magazine *magazine = depot_pop_full(bucket);
    if (magazine == NULL) {
        return NULL;
    }
    uint32_t count = magazine_count(magazine);
    percpu_count(&cache_shared.tally[bucket].depot_hits, 1);
    percpu_count(&cache_shared.tally[bucket].withdrawn, count);
    budget_retain(-percpu_weight(bucket, count));
    return percpu_pop_top(bucket, magazine);
}

/*
 * Carves a run of new slots for the processor, and allocates one of them. Returns NULL if there is no memory or no
 * empty magazine, or if the processor has no record.
 */
static void *percpu_carve(unsigned bucket)
{
    void **top;
    uint32_t quota = percpu_quota(bucket);
    struct magazine *magazine = quota > 0 && percpu_peek(bucket, &top) ? depot_pop_empty(bucket) : NULL;
    if (magazine == NULL) {
        return NULL;
    }
    unsigned run = LESSER(quota, PERCPU_RUN);
    uint32_t carved = region_carve(bucket, run, magazine->slot);
    if (carved == 0) {
        depot_push(bucket, magazine);
        return NULL;
    }
    percpu_count(&cache_shared.tally[bucket].carves, 1);
    magazine_set_count(magazine, carved);
    return percpu_pop_top(bucket, magazine);
}

/* Allocates a single slot from the stacks, or else carves one. Stores in `source` where the slot came from. */
static void *percpu_pop_single(unsigned bucket, enum percpu_source *source)
{
    static const enum percpu_source named[] = {[SLOTS_FROM_NONE] = PERCPU_NONE,
                                               [SLOTS_FROM_FREE] = PERCPU_FREE,
                                               [SLOTS_FROM_PURGED] = PERCPU_PURGED,
                                               [SLOTS_FROM_CARVED] = PERCPU_CARVED};
    struct cache_tally *tally = &cache_shared.tally[bucket];
    struct counter *const counters[] = {[SLOTS_FROM_FREE] = &tally->stack_hits,
                                        [SLOTS_FROM_PURGED] = &tally->unpurged,
                                        [SLOTS_FROM_CARVED] = &tally->carves};
    enum slots_source found;
    void *slot = slots_pop(bucket, &found);
    *source = named[found];
    if (found != SLOTS_FROM_NONE) {
        percpu_count(counters[found], 1);
    }
    if (found == SLOTS_FROM_FREE) {
        budget_retain(-percpu_weight(bucket, 1));
    }
    return slot;
}

/* Returns true if the stacks had a free or a purged slot when they were read. */
static bool percpu_has_free(unsigned bucket)
{
    return slots_have_free(bucket) || slots_have_purged(bucket);
}

OUT_OF_LINE void *percpu_pop_slow(unsigned bucket, enum percpu_source *source)
{
    probe_miss(bucket, percpu_quota(bucket));
    percpu_count(&cache_shared.tally[bucket].misses, 1);
    *source = PERCPU_DEPOT;
    void *slot = percpu_pop_from_depot(bucket);
    if (slot == NULL && !percpu_has_free(bucket)) {
        *source = PERCPU_CARVED;
        slot = percpu_carve(bucket);
    }
    return slot != NULL ? slot : percpu_pop_single(bucket, source);
}

/* Pushes the magazine of a bucket of the processor that the thread runs on to the depot, because the quota of the
 * bucket is now 0. */
static void percpu_drain(unsigned bucket)
{
    void **top;
    while (percpu_peek(bucket, &top) && top != NULL) {
        if (percpu_swap(bucket, top, NULL)) {
            percpu_retire(bucket, top);
            return;
        }
    }
}

/*
 * Returns true if there is no magazine (`top` is NULL), or if the magazine has so many slots that a push with this
 * limit would fail.
 */
static bool percpu_is_full(void **top, uint32_t limit)
{
    return top == NULL || magazine_depth(top) * sizeof(void *) >= limit;
}

/*
 * Frees a slot to the magazine of the processor on which the thread runs. `empty` is a magazine of the calling thread
 * that was empty and now has `slot` as its only entry. If the processor's magazine is full, `empty` replaces it.
 * Otherwise the slot is pushed onto the processor's magazine, and `empty` goes to the depot's empty magazines. Returns
 * false if the processor has no record.
 */
static bool percpu_place(unsigned bucket, void *slot, uint32_t limit, struct magazine *empty)
{
    void **top;
    while (percpu_peek(bucket, &top)) {
        if (!percpu_is_full(top, limit)) {
            if (rseq_push(&processors.table, percpu_top(bucket), slot, limit)) {
                depot_push(bucket, empty);
                return true;
            }
        } else if (percpu_swap(bucket, top, empty->slot + 1)) {
            percpu_retire(bucket, top);
            return true;
        }
    }
    depot_push(bucket, empty);
    return false;
}

OUT_OF_LINE bool percpu_push_slow(unsigned bucket, void *slot)
{
    uint32_t limit = percpu_limit(bucket);
    if (limit == 0) {
        percpu_drain(bucket);
        return false;
    }
    probe_miss(bucket, limit / sizeof(void *));
    percpu_count(&cache_shared.tally[bucket].misses, 1);
    struct magazine *empty = depot_pop_empty(bucket);
    if (empty == NULL) {
        return false;
    }
    empty->slot[0] = slot;
    return percpu_place(bucket, slot, limit, empty);
}
