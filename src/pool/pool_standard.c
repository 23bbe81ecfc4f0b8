/* The pool `standard`: what it does and counts for a request, and who it says holds a slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/in_use.h"
#include "pool/pool_parts.h"
#include "pool/standard.h"

void *pool_alloc_standard(struct cache *cache, unsigned bucket, const void *caller)
{
    enum slots_source source;
    void *slot = standard_take(bucket, &source);
    pool_count_source(cache, bucket, source);
    if (slot != NULL && in_use_is_kept()) {
        in_use_note(region_number(slot), caller);
    }
    return slot;
}

void pool_free_standard(struct cache *cache, unsigned bucket, uint32_t number)
{
    if (standard_give(bucket, number) == STANDARD_KEPT) {
        pool_count_deposit(cache, bucket, 1);
    } else {
        pool_count(cache, &cache->tally[bucket].purged, 1);
    }
}
