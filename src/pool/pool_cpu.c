/* The pool `cpu`: what it does and counts for a request. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "percpu/percpu.h"
#include "pool/pool_parts.h"

/* A thread that had a cache before the pool turned gives it up. */
static void pool_leave_cache(void)
{
    if (UNLIKELY(cache_is_own(cache_mine))) {
        cache_leave();
        percpu_share_budget(pool_first_large);
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
