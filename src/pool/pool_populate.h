/* Prepares memory before the program first writes to it: pages of new slots, and cache lines of cold slots, which were
 * freed long ago. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_POPULATE_H
#define SOCKMALLOC_POOL_POPULATE_H

#include <stddef.h>
#include <stdint.h>

#include "pool/pool_state.h"

/*
 * If a slot is new or was purged, and so has no pages, populates those pages of its request that the program is likely
 * to write to: as many as it has written to in earlier new slots of the bucket, at most 256. Before that, counts the
 * request as memory that is about to be used (pressure_grow), and purges free slots if memory is nearly used up. Does
 * nothing if the slot has its pages. This function is called before pool_mark, because until then the metadata says
 * whether the slot has pages.
 */
void pool_populate(unsigned bucket, void *slot, size_t request);

/* Returns the number of pages to which programs usually write in a new slot of the bucket; 0 if it is one or none. */
static inline uint32_t pool_filled_pages(unsigned bucket)
{
    uint32_t pages = atomic_load_explicit(&pools[bucket].ahead_pages, memory_order_relaxed);
    return pages < 2 ? 0 : pages;
}

/* Returns the size in bytes of the pages, counted from the start of a slot that serves `request` bytes, to which
 * programs usually write; at most 16 pages, and at most `request`. pool_fetch_lines prefetches one cache line of each
 * of these pages. Returns 0 if programs usually leave the bucket's slots empty, or write only to their first page. */
size_t pool_fetched_bytes(unsigned bucket, size_t request);

/* Prefetches, for writing, the first cache line of each page that the program is likely to fill. */
INTERNAL void pool_fetch_lines(unsigned bucket, const void *slot, size_t request);

/* Calls pool_fetch_lines if programs usually write to the slots of the bucket. If they do not, the call costs a load
 * and a comparison. */
static inline void pool_fetch(unsigned bucket, const void *slot, size_t request)
{
    if (pool_filled_pages(bucket) > 0) {
        pool_fetch_lines(bucket, slot, request);
    }
}

/* Prepares a slot that is being allocated: its pages and cache lines, and then its metadata. Stores the former state
 * byte in `was` unless that is NULL. */
static inline void pool_prepare(unsigned bucket, void *slot, size_t request, uint8_t *was)
{
    pool_populate(bucket, slot, request);
    pool_fetch(bucket, slot, request);
    pool_mark(region_number(slot), slot_meta_of(SLOT_LIVE, bucket), pool_owner(), request, was);
}

#endif
