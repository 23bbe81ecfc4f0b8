/* Tests of cache/cache.c: the two magazines that a thread has for each bucket, and how slots pass between these
 * magazines and the depot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/cache.h"
#include "cache/depot.h"
#include "memory/region.h"
#include "support/house.h"

enum { SLOTS_MAX = 512 };

static struct cache *mine;

/* Sets up the tables, and opens a cache for this thread with the largest quota for each trained bucket (a bucket whose
 * slots caches hold). */
static void lay(void)
{
    house_lay_default();
    mine = cache_reach();
    cr_assert_neq(mine, &cache_shared);
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        cr_assert(cache_set_quota(mine, bucket, MAGAZINE_SLOTS));
    }
}

static struct cache_bin *bin(unsigned bucket)
{
    return &mine->bin[bucket];
}

/* Returns how many slots the bucket's private magazine can hold. The bucket must have a private magazine. */
static unsigned quota(unsigned bucket)
{
    return (unsigned)(bin(bucket)->ceiling - bin(bucket)->floor);
}

static uint64_t deposited(unsigned bucket)
{
    return counter_read(&mine->tally[bucket].deposited);
}

static uint64_t swaps(unsigned bucket)
{
    return counter_read(&mine->tally[bucket].swaps);
}

static uint64_t misses(unsigned bucket)
{
    return counter_read(&mine->tally[bucket].misses);
}

/* Frees a slot as the pool does: into the private magazine, or by cache_flush if that magazine is full. */
static void put(unsigned bucket, void *slot)
{
    cr_assert(cache_push(bin(bucket), slot) || cache_flush(mine, bucket, slot));
}

/* Allocates a slot as the pool does: from the private magazine, or by cache_refill if that magazine is empty. */
static void *get(unsigned bucket)
{
    void *slot = cache_pop(bin(bucket));
    return slot != NULL ? slot : cache_refill(mine, bucket);
}

/* Carves `count` new slots of the bucket from the front of the range. */
static void carve(unsigned bucket, void **slots, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(region_carve(bucket, 1, &slots[i]), 1);
    }
}

Test(cache, last_in_is_first_out)
{
    void *slots[SLOTS_MAX];
    lay();
    carve(B8K, slots, 40);
    for (unsigned i = 0; i < 40; i++) {
        put(B8K, slots[i]);
    }
    for (unsigned i = 40; i-- > 0;) {
        cr_assert_eq(get(B8K), slots[i]);
    }
}

/* If the private magazine is full, it becomes the public one, which other threads may steal. If the former public
 * magazine is full too, it goes to the depot. */
Test(cache, flushes_to_the_public_magazine_then_to_the_depot)
{
    void *slots[SLOTS_MAX];
    lay();
    carve(B64K, slots, SLOTS_MAX);
    put(B64K, slots[0]);
    unsigned full = quota(B64K);
    cr_assert_lt(4 * full, (unsigned)SLOTS_MAX);
    for (unsigned i = 1; i < 2 * full; i++) {
        put(B64K, slots[i]);
        cr_assert_eq(cache_held(mine, B64K), i + 1);
    }
    cr_assert_eq(deposited(B64K), 0);
    cr_assert_null(depot_pop_full(B64K));
    cr_assert_eq(misses(B64K), 0, "the cache had free places");
    put(B64K, slots[2 * full]);
    cr_assert_eq(misses(B64K), 1);
    cr_assert_eq(swaps(B64K), 0, "exchanging two full magazines would have no effect");
    cr_assert_eq(cache_held(mine, B64K), full + 1);
    cr_assert_eq(deposited(B64K), full);
    struct magazine *magazine = depot_pop_full(B64K);
    cr_assert_not_null(magazine);
    cr_assert_eq(magazine_count(magazine), full);
    for (unsigned i = 0; i < full; i++) {
        cr_assert_eq(magazine->slot[i], slots[i],
                     "the magazine that was filled first went to the depot with all its slots");
    }
    cr_assert_null(depot_pop_full(B64K));
}

/* The cache allocates from the private magazine first, then from the public one, then from a magazine of the depot.
 * After that it has no slot left. */
Test(cache, refills_from_the_public_magazine_then_from_the_depot)
{
    void *slots[SLOTS_MAX];
    lay();
    carve(B64K, slots, SLOTS_MAX);
    put(B64K, slots[0]);
    unsigned full = quota(B64K);
    for (unsigned i = 1; i < 3 * full; i++) {
        put(B64K, slots[i]);
    }
    uint64_t swaps_before = swaps(B64K);
    uint64_t misses_before = misses(B64K);
    for (unsigned i = 3 * full; i-- > 2 * full;) {
        cr_assert_eq(get(B64K), slots[i]);
    }
    for (unsigned i = 2 * full; i-- > full;) {
        cr_assert_eq(get(B64K), slots[i]);
    }
    cr_assert_eq(swaps(B64K), swaps_before + 1);
    cr_assert_eq(misses(B64K), misses_before);
    cr_assert_eq(counter_read(&mine->tally[B64K].depot_hits), 0);
    for (unsigned i = full; i-- > 0;) {
        cr_assert_eq(get(B64K), slots[i]);
    }
    cr_assert_eq(counter_read(&mine->tally[B64K].depot_hits), 1);
    cr_assert_eq(counter_read(&mine->tally[B64K].withdrawn), full);
    cr_assert_eq(misses(B64K), misses_before + 1);
    cr_assert_null(get(B64K));
    cr_assert_eq(misses(B64K), misses_before + 2, "a request for which no thread has a slot is a miss, too");
    cr_assert_eq(cache_held(mine, B64K), 0);
}

/* If the private magazine is full and the public one, which other threads may steal, has space, the two magazines
 * change places. No magazine goes to the depot. */
Test(cache, flush_uses_a_public_magazine_with_free_places)
{
    void *slots[SLOTS_MAX];
    lay();
    carve(B64K, slots, SLOTS_MAX);
    put(B64K, slots[0]);
    unsigned full = quota(B64K);
    unsigned next = 1;
    while (next < full + 1) {
        put(B64K, slots[next++]); /* after this loop the public magazine is full, and the private one holds one slot */
    }
    get(B64K);
    /* this exchanges the empty private magazine for the public one, which other threads may steal; from here on the
     * public one is empty */
    get(B64K);
    put(B64K, slots[next++]);
    uint64_t swaps_before = swaps(B64K);
    put(B64K, slots[next++]);
    cr_assert_eq(swaps(B64K), swaps_before + 1);
    cr_assert_eq(deposited(B64K), 0);
    cr_assert_eq(cache_held(mine, B64K), full + 1);
}

/* Frees and allocates slots many times. No slot may be lost, and none may be returned twice. */
Test(cache, loses_no_slot_and_returns_none_twice)
{
    static void *slots[SLOTS_MAX];
    static bool inside[SLOTS_MAX];
    lay();
    carve(B32K, slots, SLOTS_MAX);
    unsigned held = 0;
    uint32_t first = region_number(slots[0]);
    for (unsigned round = 0; round < 20000; round++) {
        /* Rounds come in blocks of 1009. In every second block each round frees a slot; in the others 97 frees and 97
         * allocations take turns. So the number of slots in the magazines changes all the time. The magazines are
         * emptied only after this loop. */
        bool fill = round / 97 % 2 == 0 || round / 1009 % 2 == 0;
        if (fill && held < SLOTS_MAX) {
            unsigned at = 0;
            while (inside[at]) {
                at++;
            }
            put(B32K, slots[at]);
            inside[at] = true;
            held++;
        } else if (!fill && held > 0) {
            void *slot = get(B32K);
            cr_assert_not_null(slot, "%u slots are lost", held);
            uint32_t at = (region_number(slot) - first) / region.geometry[B32K].pages;
            cr_assert(inside[at], "slot %u came twice", at);
            inside[at] = false;
            held--;
        }
    }
    while (held-- > 0) {
        void *slot = get(B32K);
        cr_assert_not_null(slot);
        uint32_t at = (region_number(slot) - first) / region.geometry[B32K].pages;
        cr_assert(inside[at]);
        inside[at] = false;
    }
    cr_assert_null(get(B32K));
}

Test(cache, buckets_do_not_mix)
{
    void *slots[2];
    lay();
    carve(B4K, slots, 2);
    put(B4K, slots[0]);
    cr_assert_null(get(B8K));
    cr_assert_eq(cache_held(mine, B8K), 0);
    cr_assert_eq(cache_held(mine, B4K), 1);
    cr_assert_eq(get(B4K), slots[0]);
}

/* If the quota is set to 0, both magazines go to the depot with their slots. */
Test(cache, drain_gives_both_magazines_to_the_depot)
{
    void *slots[SLOTS_MAX];
    lay();
    carve(B64K, slots, 100);
    put(B64K, slots[0]);
    unsigned full = quota(B64K);
    for (unsigned i = 1; i < full + 3; i++) {
        put(B64K, slots[i]);
    }
    cr_assert(cache_set_quota(mine, B64K, 0));
    cr_assert_eq(cache_held(mine, B64K), 0);
    cr_assert_eq(deposited(B64K), full + 3);
    cr_assert_eq(magazine_count(depot_pop_full(B64K)) + magazine_count(depot_pop_full(B64K)), full + 3);
    cr_assert_null(depot_pop_full(B64K));
    cr_assert_null(cache_pop(bin(B64K)));
    cr_assert(cache_set_quota(mine, B64K, 0));
    cr_assert_eq(deposited(B64K), full + 3, "the second call finds nothing to do");
    cr_assert(cache_set_quota(mine, B64K, MAGAZINE_SLOTS));
    put(B64K, slots[0]);
    cr_assert_eq(get(B64K), slots[0]);
}

/* cache_forget removes the quota and both magazines, and puts their slots nowhere else. The cache can get a quota
 * again. */
Test(cache, forget_leaves_no_trace)
{
    void *slots[SLOTS_MAX];
    lay();
    carve(B64K, slots, 100);
    for (unsigned i = 0; i < 20; i++) {
        put(B64K, slots[i]);
    }
    cache_forget(mine, B64K);
    cr_assert_eq(cache_held(mine, B64K), 0);
    cr_assert_null(get(B64K));
    cr_assert_null(depot_pop_full(B64K));
    cr_assert_eq(cache_quota(mine, B64K), 0);
    cr_assert(cache_set_quota(mine, B64K, MAGAZINE_SLOTS));
    put(B64K, slots[0]);
    cr_assert_eq(get(B64K), slots[0]);
}

/* If there is no empty magazine, cache_flush does not accept a further slot. The slots that the cache already has can
 * still be allocated. */
Test(cache, flush_fails_without_a_magazine)
{
    void *slots[SLOTS_MAX];
    lay();
    carve(B64K, slots, SLOTS_MAX);
    put(B64K, slots[0]);
    unsigned full = quota(B64K);
    while (magazine_open() != NULL) {
    }
    for (unsigned i = 1; i < full; i++) {
        cr_assert(cache_push(bin(B64K), slots[i]));
    }
    cr_assert_not(cache_push(bin(B64K), slots[full]));
    cr_assert_not(cache_flush(mine, B64K, slots[full]));
    cr_assert_eq(cache_held(mine, B64K), full, "no slot was added, and none was lost");
    for (unsigned i = full; i-- > 0;) {
        cr_assert_eq(get(B64K), slots[i]);
    }
    cr_assert_not_null(cache_carve(mine, B16K), "carving needs no magazine");
    cr_assert_not(cache_flush(mine, B16K, slots[full]));
}
