/* Opens caches of other threads, which wait while the test works on their caches. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_NEIGHBOURS_H
#define SOCKMALLOC_TEST_NEIGHBOURS_H

#include <stdint.h>

#include "cache/cache.h"

enum { NEIGHBOURS_MAX = 20 };

/* Sets up the pools, opens a cache for the calling thread and then `count` caches of other threads. Returns the
 * caller's cache. The other threads wait until the test is over. */
struct cache *neighbours_open(unsigned count);

/* Returns the cache of the neighbour with this number, from 0 on. */
struct cache *neighbour(unsigned number);

/* Returns a magazine with `count` slots that were never used, the one with the highest number on top. */
struct magazine *neighbours_carve(unsigned bucket, uint32_t count);

/* Gives a cache the largest quota, and makes a magazine from neighbours_carve its public one. Returns the magazine. */
struct magazine *neighbours_equip(struct cache *cache, unsigned bucket, uint32_t count);

/* Returns a cache's public magazine. */
static inline struct magazine *neighbours_public(struct cache *cache, unsigned bucket)
{
    return atomic_load(&cache->bin[bucket].public_magazine);
}

#endif
