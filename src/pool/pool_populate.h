/* Makes memory ready before the program first writes to it: the pages of new slots, and cache lines of cold slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_POPULATE_H
#define SOCKMALLOC_POOL_POPULATE_H

#include <stddef.h>
#include <stdint.h>

#include "pool/pool_state.h"

/*
 * Gives a slot without pages, which is new or was purged, those pages of its request that the program is likely to
 * fill: as many as were found filled in earlier new slots of the bucket, 256 at most. Does nothing for a slot that has
 * its pages. It is called before pool_mark, because until then the metadata says whether the slot has pages.
 */
void pool_populate(unsigned bucket, void *slot, size_t request);

/* Returns how many pages of a new slot of the bucket programs fill; 0 if they fill one page or none. */
static inline uint32_t pool_filled_pages(unsigned bucket)
{
    uint32_t pages = atomic_load_explicit(&pools[bucket].ahead_pages, memory_order_relaxed);
    return pages < 2 ? 0 : pages;
}

/* Returns the number of bytes, from the start of a slot, for whose pages pool_fetch_lines prefetches cache lines; 0
 * where programs do not fill the bucket's slots. */
size_t pool_fetched_bytes(unsigned bucket, size_t request);

/* Prefetches, for writing, the first cache line of each page that the program is likely to fill. */
INTERNAL void pool_fetch_lines(unsigned bucket, const void *slot, size_t request);

/* Calls pool_fetch_lines if programs fill the slots of the bucket. Price if they do not: a load and a comparison. */
static inline void pool_fetch(unsigned bucket, const void *slot, size_t request)
{
    if (pool_filled_pages(bucket) > 0) {
        pool_fetch_lines(bucket, slot, request);
    }
}

/* Makes a slot that is being allocated ready: its pages and cache lines, then its metadata. `was`, unless NULL,
 * receives the metadata's state from before. */
static inline void pool_prepare(unsigned bucket, void *slot, size_t request, uint8_t *was)
{
    pool_populate(bucket, slot, request);
    pool_fetch(bucket, slot, request);
    pool_mark(region_number(slot), slot_meta_of(SLOT_LIVE, bucket), pool_owner(), request, was);
}

#endif
