/* malloc and free of the kind `standard`, in which each bucket's free slots lie on a bounded list with a mutex. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/in_use.h"
#include "pool/pool_decay.h"
#include "pool/pool_kind.h"
#include "pool/pool_populate.h"
#include "pool/pool_state.h"
#include "pool/standard.h"

static void *standard_alloc(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    struct cache *cache = cache_reach();
    if (UNLIKELY(cache->state.more)) {
        pool_tick_taking(cache);
    }
    enum slots_source source;
    void *slot = standard_take(bucket, &source);
    pool_count_source(cache, bucket, source);
    if (UNLIKELY(slot == NULL)) {
        return NULL;
    }
    if (in_use_is_kept()) {
        /* records the caller before pool_prepare sets the metadata to live, so that no reader finds a live slot with
         * the caller of an earlier allocation */
        in_use_note(region_number(slot), caller);
    }
    pool_prepare(bucket, slot, request, was);
    pool_count_alloc(cache, bucket, request);
    return slot;
}

static bool standard_free(unsigned bucket, void *slot, uint32_t number)
{
    __builtin_prefetch(slot, 1);
    struct cache *cache = cache_reach();
    bool tick = pool_count_free(cache, bucket);
    if (standard_give(bucket, number) == STANDARD_KEPT) {
        pool_count_deposit(cache, bucket, 1);
    } else {
        pool_count(cache, &cache->tally[bucket].purged, 1);
    }
    if (UNLIKELY(tick)) {
        pool_tick(slot);
    }
    return true;
}

const struct pool_operations pool_standard = {
    .alloc = standard_alloc,
    .free = standard_free,
    .withdraw = standard_withdraw,
    .restore = standard_restore,
    .counters = pool_own_counters,
    .peak = pool_counted_peak,
};
