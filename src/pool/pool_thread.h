/* Allocates and frees cold slots with the kind `thread`. Cold slots are those of a magazine that has just become the
 * private one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_THREAD_H
#define SOCKMALLOC_POOL_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"

/*
 * Since the slots of a magazine were freed, other slots have filled at least one magazine more, so the lines of its
 * slots have probably left the processor's near caches: the slots are cold. In buckets whose buffers programs fill,
 * cold slots have a path of their own. An allocation of one prefetches the lines that the program writes first
 * (pool_fetch_lines); a free does not prefetch the slot's first line, because that slot is not the next one allocated.
 *
 * All three functions work on the calling thread's cache, and do nothing if it has none.
 */

/* Marks all slots of the private magazine as cold, if programs fill the bucket's buffers. It is called after a magazine
 * has become the private one. */
void pool_mark_cold(struct cache *cache, unsigned bucket);

/* Allocates a cold slot. Returns NULL if no cold slot is left, or if pages are due to be purged, because each
 * allocation then runs a step of purging. */
void *pool_alloc_cold(unsigned bucket, size_t request, uint8_t *was);

/* Frees a slot into a place that a cold slot left. Returns false, with nothing done, if the private magazine has no
 * such place. */
bool pool_free_cold(unsigned bucket, void *slot);

#endif
