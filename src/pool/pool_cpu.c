/* The slow paths of the kind `cpu`, in which the magazines belong to processors. In this kind every malloc and free
 * takes a slow path. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "percpu/percpu.h"
#include "pool/pool_decay.h"
#include "pool/pool_kind.h"
#include "pool/pool_populate.h"
#include "pool/pool_state.h"

/* Closes the cache that the thread opened before KIND_AUTO became KIND_CPU, so that the caches of processors can use
 * its part of the budget. */
static void cpu_leave_cache(void)
{
    if (UNLIKELY(cache_is_own(cache_mine))) {
        cache_leave();
        percpu_share_budget(pool_first_large);
    }
}

/* Allocates a slot of the large pool, and counts where the slot came from. */
static void *cpu_pop_large(unsigned bucket)
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

static void *cpu_alloc(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    (void)caller;
    enum percpu_source source;
    cpu_leave_cache();
    pool_tick_taking_shared();
    void *slot = pool_is_large(bucket) ? cpu_pop_large(bucket) : percpu_pop(bucket, &source);
    if (UNLIKELY(slot == NULL)) {
        return NULL;
    }
    pool_prepare(bucket, slot, request, was);
    percpu_count(&cache_shared.bin[bucket].requests, 1);
    percpu_count(&cache_shared.bin[bucket].asked, request);
    return slot;
}

static bool cpu_free(unsigned bucket, void *slot, uint32_t number)
{
    __builtin_prefetch(slot, 1);
    cpu_leave_cache();
    percpu_count(&cache_shared.bin[bucket].returned, 1);
    if (pool_is_large(bucket) || !percpu_push(bucket, slot)) {
        slots_push(bucket, number);
        percpu_count(&cache_shared.tally[bucket].deposited, 1);
        pool_retain_slots(bucket, 1);
    }
    pool_tick_shared(slot);
    return true;
}

/* All threads count in cache_shared, because with this kind no thread has a cache of its own. */
static struct cache *cpu_counters(void)
{
    return &cache_shared;
}

/* Returns the number of carved slots as the peak, because with this kind nothing records the largest number of live
 * slots. The result can be too high, because slots are also carved while other processors' magazines hold free slots,
 * and by no more slots than these magazines can hold. */
static uint64_t cpu_peak(unsigned bucket, uint64_t live, uint64_t carved)
{
    (void)bucket;
    (void)live;
    return carved;
}

const struct pool_operations pool_cpu = {
    .alloc = cpu_alloc,
    .free = cpu_free,
    .withdraw = pool_withdraw_from_stack,
    .restore = pool_restore_to_stack,
    .counters = cpu_counters,
    .peak = cpu_peak,
};
