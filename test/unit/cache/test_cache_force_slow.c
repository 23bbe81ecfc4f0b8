/* The cache room: takes that are halted, so that the next one of each bucket is a slow path. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/cache.h"
#include "support/house.h"

enum { FEW = 10, MORE = 20 };

static struct cache *mine;

static void lay(uint32_t quota)
{
    house_lay_default();
    mine = cache_reach();
    cr_assert(cache_is_own(mine));
    cr_assert(cache_set_quota(mine, B16K, quota));
}

static struct cache_bin *bin(void)
{
    return &mine->bin[B16K];
}

/* Slots below the top, whether takes are halted or not. */
static uint32_t depth(void)
{
    return magazine_depth(atomic_load_explicit(&bin()->top, memory_order_relaxed));
}

/* As the pool does. */
static void put(void *slot)
{
    cr_assert(cache_push(bin(), slot) || cache_flush(mine, B16K, slot));
}

static void *get(void)
{
    void *slot = cache_pop(bin());
    slot = slot != NULL ? slot : cache_refill(mine, B16K);
    return slot != NULL ? slot : cache_carve(mine, B16K);
}

Test(cache_force_slow, forced_slow_slots_stay_where_they_are)
{
    lay(MAGAZINE_SLOTS);
    void *slots[3] = {get(), get(), get()};
    put(slots[0]);
    put(slots[1]);
    uint32_t held = depth();
    cache_force_slow(mine);
    cr_assert_null(cache_pop(bin()));
    cr_assert_eq(depth(), held);
    cr_assert(cache_push(bin(), slots[2]), "there is room for frees as before");
    cr_assert_eq(cache_pop(bin()), slots[2], "what comes afterwards is not held back");
    cr_assert_null(cache_pop(bin()));
    cr_assert(cache_resume_fast(mine, B16K));
    cr_assert_not(cache_resume_fast(mine, B16K), "nothing is held back any more");
    cr_assert_eq(cache_pop(bin()), slots[1]);
    cr_assert_eq(cache_pop(bin()), slots[0]);
}

/* A handler took one between the look at the top and the raising of the floor, and keeps it. */
Test(cache_force_slow, floor_above_the_top_forces_slow_too)
{
    lay(MAGAZINE_SLOTS);
    put(get());
    cache_force_slow(mine);
    void **top = atomic_load_explicit(&bin()->top, memory_order_relaxed);
    atomic_store_explicit(&bin()->top, top - 1, memory_order_relaxed);
    cr_assert_null(cache_pop(bin()));
    atomic_store_explicit(&bin()->top, top, memory_order_relaxed);
    cr_assert(cache_resume_fast(mine, B16K));
    cr_assert_not_null(cache_pop(bin()));
}

Test(cache_force_slow, forced_slow_bins_are_unloaded_whole)
{
    lay(MAGAZINE_SLOTS);
    void *slots[2] = {get(), get()};
    put(slots[0]);
    put(slots[1]);
    uint32_t held = depth();
    cache_force_slow(mine);
    struct magazine *magazine = cache_unload(bin());
    cr_assert_eq(magazine_count(magazine), held);
    cr_assert_not(cache_resume_fast(mine, B16K), "there is no magazine");
    cache_deposit(mine, B16K, magazine);
}

Test(cache_force_slow, forced_slow_bins_have_the_room_of_their_quota)
{
    lay(FEW);
    void *slots[2] = {get(), get()};
    put(slots[0]);
    put(slots[1]);
    cache_force_slow(mine);
    cr_assert(cache_set_quota(mine, B16K, MORE));
    cr_assert_eq(bin()->ceiling - cache_private(bin())->slot, MORE);
}
