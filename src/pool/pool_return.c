/* Unmaps the addresses of free slots, because some limits on memory also count mapped addresses. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_return.h"

#include "memory/hole.h"
#include "pool/pool_kind.h"
#include "pool/pool_purge.h"
#include "pool/pool_state.h"

static atomic_flag returning = ATOMIC_FLAG_INIT;
/* how many bytes the last pool_return has unmapped; not 0 at first, so that the first calls look for such bytes */
static _Atomic size_t pool_returned_last = 1;

/* Removes all purged slots from their stacks, and marks each in its metadata as leaving: its addresses are being
 * unmapped. */
static void pool_collect_purged(void)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        uint32_t number;
        while ((number = slots_pop_purged(bucket)) != STACK_EMPTY) {
            region_set_meta(number, slot_meta_of(SLOT_PURGED | SLOT_LEAVING, bucket));
        }
    }
}

static bool pool_is_leaving(uint32_t number)
{
    return number < region_front() && slot_meta_is_leaving(region_meta(number));
}

/* Returns how many pages lie side by side, from page `first` on, that belong to leaving slots, whose addresses are
 * being unmapped. The slots may belong to different buckets. */
static uint32_t pool_leaving_pages(uint32_t first)
{
    uint32_t end = first;
    while (pool_is_leaving(end)) {
        end += region.geometry[region_bucket(end)].pages;
    }
    return end - first;
}

/* Adds to `counts` how many slots of each bucket lie in a run of adjacent slots. */
static void pool_count_run(uint32_t first, uint32_t pages, uint32_t counts[BUCKET_LIMIT])
{
    for (uint32_t number = first; number < first + pages;) {
        unsigned bucket = region_bucket(number);
        counts[bucket]++;
        number += region.geometry[bucket].pages;
    }
}

/* Puts the adjacent slots of a run, which are not unmapped after all, back onto the stacks of purged slots. */
static void pool_keep_run(uint32_t first, uint32_t pages)
{
    for (uint32_t number = first; number < first + pages;) {
        unsigned bucket = region_bucket(number);
        region_set_meta(number, slot_meta_of(SLOT_PURGED, bucket));
        slots_push_purged(bucket, number);
        number += region.geometry[bucket].pages;
    }
}

/*
 * Unmaps one run of adjacent slots that are marked as leaving, if the run has at least HOLE_LEAST bytes. Returns the
 * bytes of the run. Returns 0 if the run is too short or the kernel refuses; the slots then go back onto the stacks of
 * purged slots.
 */
static size_t pool_return_run(struct cache *cache, uint32_t first, uint32_t pages)
{
    uint32_t counts[BUCKET_LIMIT] = {0};
    size_t size = (size_t)pages << REGION_SHIFT;
    pool_count_run(first, pages, counts);
    if (size < HOLE_LEAST || !region_return(first, pages)) {
        pool_keep_run(first, pages);
        return 0;
    }
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        pool_count(cache, &cache->tally[bucket].unpurged, counts[bucket]);
    }
    return size;
}

/* Unmaps each run of adjacent leaving slots, which are purged slots that pool_collect_purged has taken off their
 * stacks. Returns the bytes that were unmapped. */
static size_t pool_return_runs(struct cache *cache)
{
    size_t returned = 0;
    uint32_t number = region_next(0);
    while (number != REGION_END) {
        if (!pool_is_leaving(number)) {
            number = region_after(number);
            continue;
        }
        uint32_t pages = pool_leaving_pages(number);
        returned += pool_return_run(cache, number, pages);
        number = region_next(number + pages);
    }
    return returned;
}

size_t pool_return_purged(void)
{
    if (atomic_flag_test_and_set_explicit(&returning, memory_order_acquire)) {
        return 0;
    }
    pool_collect_purged();
    size_t returned = pool_return_runs(pool_counters());
    atomic_flag_clear_explicit(&returning, memory_order_release);
    return returned;
}

/* Returns true if pool_return should look for addresses to unmap. After a call that has unmapped nothing, only every
 * PAUSE-th call looks again. */
static bool pool_return_is_due(void)
{
    enum { PAUSE = 256 };
    static _Atomic uint32_t refused;
    uint32_t count = atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return atomic_load_explicit(&pool_returned_last, memory_order_relaxed) > 0 || count % PAUSE == 0;
}

size_t pool_return(void)
{
    /* if the range is full, the kernel has not refused memory, so memory is not tight; only addresses are missing */
    if (!region_is_full()) {
        pool_make_tight();
    } else if (!pool_return_is_due()) {
        return 0;
    }
    pool_drain();
    pool_trim(SIZE_MAX);
    size_t returned = pool_return_purged();
    atomic_store_explicit(&pool_returned_last, returned, memory_order_relaxed);
    return returned;
}

void pool_reset_return(void)
{
    atomic_flag_clear_explicit(&returning, memory_order_relaxed);
}
