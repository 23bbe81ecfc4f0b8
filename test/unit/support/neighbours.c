/* Starts threads that each have a cache and then wait, while the test works on their caches. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/neighbours.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "cache/depot.h"
#include "memory/region.h"
#include "support/house.h"

static pthread_barrier_t meeting;

static void *neighbours_wait(void *argument)
{
    (void)argument;
    cache_reach();
    pthread_barrier_wait(&meeting);
    /* The threads wait at this barrier until the test ends, because the barrier also waits for the test's own
     * thread, which passes only the first barrier. */
    pthread_barrier_wait(&meeting);
    return NULL;
}

struct cache *neighbours_open(unsigned count)
{
    pthread_t thread;
    house_lay_default();
    struct cache *mine = cache_reach();
    cr_assert_eq(mine, cache_at(1));
    cr_assert_leq(count, (unsigned)NEIGHBOURS_MAX);
    pthread_barrier_init(&meeting, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(pthread_create(&thread, NULL, neighbours_wait, NULL), 0);
    }
    pthread_barrier_wait(&meeting);
    cr_assert_eq(cache_count(), count + 2);
    return mine;
}

struct cache *neighbour(unsigned number)
{
    return cache_at(number + 2);
}

struct magazine *neighbours_carve(unsigned bucket, uint32_t count)
{
    struct magazine *magazine = depot_pop_empty(bucket);
    cr_assert_not_null(magazine);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(region_carve(bucket, 1, &magazine->slot[i]), 1);
    }
    magazine_set_count(magazine, count);
    return magazine;
}

struct magazine *neighbours_equip(struct cache *cache, unsigned bucket, uint32_t count)
{
    struct magazine *magazine = neighbours_carve(bucket, count);
    cr_assert(cache_set_quota(cache, bucket, MAGAZINE_SLOTS));
    cr_assert_null(cache_exchange(&cache->bin[bucket], magazine));
    return magazine;
}
