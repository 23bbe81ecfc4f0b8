/* The pool `cpu`: what it does and counts for a request, and how it shares the budget out. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bounds.h"
#include "percpu/percpu.h"
#include "pool/pool_parts.h"

static atomic_flag sharing = ATOMIC_FLAG_INIT;

/* Raises one bucket's quota on every processor as far as `budget` bytes go. */
static void pool_share_bucket(unsigned bucket, uint64_t bytes)
{
    uint64_t price = (uint64_t)percpu_records() * regions.region[bucket].capacity;
    uint32_t had = percpu_quota(bucket);
    uint64_t more = bytes / price;
    more = LESSER(more, MAGAZINE_SLOTS - had);
    if (more > 0 && budget_charge(more * price)) {
        percpu_set_quota(bucket, had + (uint32_t)more);
    }
}

uint64_t pool_percpu_charge(void)
{
    uint64_t charge = 0;
    for (unsigned bucket = 0; bucket < regions.count; bucket++) {
        charge += (uint64_t)percpu_quota(bucket) * regions.region[bucket].capacity;
    }
    return charge * percpu_records();
}

/*
 * What the budget has left is shared among the trained buckets alike, on each processor alike:
 * where threads come and go, a bucket's use on one processor says little about the next minute.
 */
void pool_percpu_share(void)
{
    if (percpu_records() == 0 || atomic_flag_test_and_set_explicit(&sharing, memory_order_acquire)) {
        return; /* whoever is at it shares out what is left now */
    }
    for (unsigned bucket = 0; bucket < pool_first_large; bucket++) {
        pool_share_bucket(bucket, budget_left() / (pool_first_large - bucket));
    }
    atomic_flag_clear_explicit(&sharing, memory_order_release);
}

void pool_percpu_reset(void)
{
    percpu_reset();
    atomic_flag_clear_explicit(&sharing, memory_order_relaxed);
}

/* A thread that had a cache before the pool turned gives it up. */
static void pool_leave_cache(void)
{
    if (UNLIKELY(cache_is_own(cache_mine))) {
        cache_leave();
        pool_percpu_share();
    }
}

static void *pool_alloc_percpu_large(unsigned bucket)
{
    struct cache_tally *tally = &cache_shared.tally[bucket];
    enum slots_source source;
    void *slot = slots_pop(bucket, &source);
    if (LIKELY(source == SLOTS_FROM_FREE)) {
        percpu_count(&tally->stack_hits, 1);
        pool_retain_slots(bucket, -1);
    } else if (source == SLOTS_FROM_PURGED) {
        percpu_count(&tally->unpurged, 1);
    } else if (source == SLOTS_FROM_CARVED) {
        percpu_count(&tally->carves, 1);
    }
    return slot;
}

void *pool_alloc_cpu(unsigned bucket, size_t request, uint8_t *was)
{
    enum percpu_source source;
    pool_leave_cache();
    pool_tick_taking_shared();
    void *slot = pool_is_large(bucket) ? pool_alloc_percpu_large(bucket) : percpu_pop(bucket, &source);
    if (UNLIKELY(slot == NULL)) {
        return NULL;
    }
    pool_populate(bucket, slot, request);
    pool_fetch(bucket, slot, request);
    pool_mark(region_number(slot), slot_meta_of(SLOT_LIVE, bucket), pool_owner(), request, was);
    percpu_count(&cache_shared.bin[bucket].requests, 1);
    percpu_count(&cache_shared.bin[bucket].asked, request);
    return slot;
}

void pool_free_cpu(unsigned bucket, void *slot, uint32_t number)
{
    pool_leave_cache();
    percpu_count(&cache_shared.bin[bucket].returned, 1);
    if (pool_is_large(bucket) || !percpu_push(bucket, slot)) {
        slots_push(bucket, number);
        percpu_count(&cache_shared.tally[bucket].deposited, 1);
        pool_retain_slots(bucket, 1);
    }
}
