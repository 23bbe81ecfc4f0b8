/* Caches of other threads, which wait: the test acts for them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_NEIGHBOURS_H
#define SOCKMALLOC_TEST_NEIGHBOURS_H

#include <stdint.h>

#include "cache/cache.h"

enum { NEIGHBOURS_MAX = 20 };

/*
 * Lays a house, opens a cache for the calling thread, which is returned, and `count` others behind
 * it. Their threads wait until the test is over.
 */
struct cache *neighbours_open(unsigned count);

/* The cache of a neighbour, from 0 on. */
struct cache *neighbour(unsigned number);

/* A magazine with slots that were never used, the highest on top. */
struct magazine *neighbours_carve(unsigned bucket, uint32_t count);

/* Gives a cache the largest quota and such a magazine as its public one. */
struct magazine *neighbours_equip(struct cache *cache, unsigned bucket, uint32_t count);

/* A cache's public magazine. */
static inline struct magazine *neighbours_public(struct cache *cache, unsigned bucket)
{
    return atomic_load(&cache->bin[bucket].public_magazine);
}

#endif
