/* Decides which thread keeps a spare slot: one free slot of a large bucket in the thread's cache, which malloc and free
 * use before the bucket's stack. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_spare.h"

#include "os/os_process.h"
#include "os/sandbox.h"
#include "pool/pool_kind.h"

/*
 * Returns true if the calling thread may keep spare slots (free slots of large buckets in its cache). The short path of
 * the large pool must be open (cache_set_usual); it is closed if a limit counts free slots, if a background thread is
 * wanted, if pages are due to be purged, or if memory is tight. The process must have a single thread (pool_spare.h).
 * There must be no seccomp filter, because pool_sleep purges nothing in a cache if there is a filter. The kind of pool
 * must not be `lockfree`, in which no free slot belongs to a thread.
 */
static bool pool_allows_spares(const struct cache *cache)
{
    return cache->state.usual != BUCKET_LIMIT && pool_kind() != KIND_LOCKFREE && !os_has_threads() &&
           sandbox_allows(SANDBOX_RARE);
}

void pool_keep_spare(struct cache *cache, unsigned bucket)
{
    if (bucket >= cache->state.usual && pool_allows_spares(cache)) {
        cache_keep_spare(cache, bucket);
    }
}

void pool_review_spares(struct cache *cache)
{
    cache_drop_spares(cache, !pool_allows_spares(cache));
}

void pool_drop_spares(void)
{
    if (cache_is_own(cache_mine)) {
        cache_drop_spares(cache_mine, true);
    }
}
