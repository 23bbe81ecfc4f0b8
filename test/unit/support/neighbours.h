/* Starts threads that each have a cache and then wait, while the test works on their caches. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_NEIGHBOURS_H
#define SOCKMALLOC_TEST_NEIGHBOURS_H

#include <stdint.h>

#include "cache/cache.h"

enum { NEIGHBOURS_MAX = 20 };

/* Sets up the pools, opens a cache for the calling thread, and starts `count` threads, each with a cache of its own,
 * that wait until the test is over. Returns the calling thread's cache. */
struct cache *neighbours_open(unsigned count);

/* Returns the cache of the waiting thread with this number, counted from 0. */
struct cache *neighbour(unsigned number);

/* Carves `count` slots of the bucket, which nobody has used yet. Returns a magazine with these slots, in which the slot
 * with the highest number is on top. */
struct magazine *neighbours_carve(unsigned bucket, uint32_t count);

/* Sets the quota of the cache for the bucket to the largest one. Gives the cache a public magazine (an array of free
 * slots that other threads may steal) with `count` slots that nobody has used yet. Returns that magazine. */
struct magazine *neighbours_equip(struct cache *cache, unsigned bucket, uint32_t count);

/* Returns the cache's public magazine of the bucket. */
static inline struct magazine *neighbours_public(struct cache *cache, unsigned bucket)
{
    return atomic_load(&cache->bin[bucket].public_magazine);
}

#endif
