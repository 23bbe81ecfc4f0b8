/*
 * Tests of cache_bounds.c, which moves the floor and the ceiling of a magazine. The fast paths of malloc and free use
 * only the slots and free places between these bounds. The tests send allocations to the slow path, and mark slots as
 * cold, that is, as slots outside the bounds.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/cache.h"
#include "support/house.h"

enum { FEW = 4, QUOTA = 10, MORE = 20 };

static struct cache *mine;

static struct cache_bin *bin(void)
{
    return &mine->bin[B16K];
}

static void lay_quota(uint32_t quota)
{
    house_lay_default();
    mine = cache_reach();
    cr_assert(cache_is_own(mine));
    cr_assert(cache_set_quota(mine, B16K, quota));
}

/* put frees a slot and get allocates one, both as the pool does. */
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

/* Carves FEW new slots. Makes a private magazine with space for `held` + 2 slots, and puts the first `held` of the new
 * slots into it. The last of these is on top. If `held` is 0, the cache has a quota but no magazine. */
static void lay(void *slots[FEW], uint32_t held)
{
    lay_quota(held + 2);
    for (unsigned i = 0; i < FEW; i++) {
        slots[i] = cache_carve(mine, B16K);
    }
    for (unsigned i = 0; i < held; i++) {
        put(slots[i]);
    }
}

static void set_top(void **top)
{
    atomic_store_explicit(&bin()->top, top, memory_order_relaxed);
}

static void **top(void)
{
    return atomic_load_explicit(&bin()->top, memory_order_relaxed);
}

/* After cache_force_slow the fast path of malloc pops none of the slots that the magazine has, until cache_resume_fast
 * is called. The slots stay in the magazine. */
Test(cache_bounds, forced_slow_slots_stay_where_they_are)
{
    lay_quota(MAGAZINE_SLOTS);
    void *slots[3] = {get(), get(), get()};
    put(slots[0]);
    put(slots[1]);
    uint32_t held = magazine_depth(top());
    cache_force_slow(mine);
    cr_assert_null(cache_pop(bin()));
    cr_assert_eq(magazine_depth(top()), held);
    cr_assert(cache_push(bin(), slots[2]), "frees still have free places");
    cr_assert_eq(cache_pop(bin()), slots[2], "a slot that is freed afterwards takes the fast path");
    cr_assert_null(cache_pop(bin()));
    cr_assert(cache_resume_fast(mine, B16K));
    cr_assert_not(cache_resume_fast(mine, B16K), "no slot is forced onto the slow path any more");
    cr_assert_eq(cache_pop(bin()), slots[1]);
    cr_assert_eq(cache_pop(bin()), slots[0]);
}

/*
 * cache_force_slow raises the floor of a magazine to its top, so that the next allocation takes the slow path. Here a
 * signal handler allocates a slot after cache_force_slow has read the top, and before it has raised the floor. The
 * floor is then above the top, and the next allocation must take the slow path all the same.
 */
Test(cache_bounds, floor_above_the_top_forces_slow_too)
{
    lay_quota(MAGAZINE_SLOTS);
    put(get());
    cache_force_slow(mine);
    void **before = top();
    set_top(before - 1);
    cr_assert_null(cache_pop(bin()));
    set_top(before);
    cr_assert(cache_resume_fast(mine, B16K));
    cr_assert_not_null(cache_pop(bin()));
}

Test(cache_bounds, forced_slow_bins_are_flushed_whole)
{
    lay_quota(MAGAZINE_SLOTS);
    void *slots[2] = {get(), get()};
    put(slots[0]);
    put(slots[1]);
    uint32_t held = magazine_depth(top());
    cache_force_slow(mine);
    struct magazine *magazine = cache_unload(bin());
    cr_assert_eq(magazine_count(magazine), held);
    cr_assert_not(cache_resume_fast(mine, B16K), "there is no magazine");
    cache_deposit(mine, B16K, magazine);
}

Test(cache_bounds, forced_slow_bins_hold_their_whole_quota)
{
    lay_quota(QUOTA);
    void *slots[2] = {get(), get()};
    put(slots[0]);
    put(slots[1]);
    cache_force_slow(mine);
    cr_assert(cache_set_quota(mine, B16K, MORE));
    cr_assert_eq(bin()->ceiling - cache_private(bin())->slot, MORE);
}

Test(cache_bounds, cold_slots_are_allocated_one_by_one)
{
    void *slots[FEW];
    lay(slots, 2);
    cr_assert_null(cache_pop_cold(mine, B16K), "none is cold yet");
    cache_mark_cold(mine, B16K);
    cr_assert_null(cache_pop(bin()));
    cr_assert_eq(cache_pop_cold(mine, B16K), slots[1]);
    cr_assert_null(cache_pop(bin()), "the other slot stays in the magazine");
    cr_assert_eq(cache_pop_cold(mine, B16K), slots[0]);
    cr_assert_null(cache_pop_cold(mine, B16K));
}

Test(cache_bounds, cold_slots_are_freed_one_by_one_up_to_the_quota)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cr_assert_not(cache_push(bin(), slots[2]));
    cr_assert(cache_push_cold(mine, B16K, slots[2]));
    cr_assert_not(cache_push(bin(), slots[3]));
    cr_assert(cache_push_cold(mine, B16K, slots[3]));
    cr_assert_not(cache_push_cold(mine, B16K, slots[0]), "the magazine holds the whole quota");
    cr_assert_eq(top()[-1], slots[3]);
}

/*
 * cache_mark_cold closes the slots and free places of a magazine to the fast paths. A slot that a slow path allocates
 * or frees after that is warm: from then on the fast paths can free and allocate this slot.
 */
Test(cache_bounds, warm_slots_take_the_fast_paths)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cr_assert_eq(cache_pop_cold(mine, B16K), slots[1]);
    cr_assert(cache_push(bin(), slots[1]));
    cr_assert(cache_push_cold(mine, B16K, slots[2]));
    cr_assert_eq(cache_pop(bin()), slots[2]);
    cr_assert_eq(cache_pop(bin()), slots[1]);
    cr_assert_null(cache_pop(bin()));
    cr_assert(cache_push(bin(), slots[1]) && cache_push(bin(), slots[2]));
    cr_assert_not(cache_push(bin(), slots[3]));
}

Test(cache_bounds, new_magazine_is_warm_until_marked_cold)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cache_load(mine, B16K, cache_unload(bin()));
    cr_assert_null(cache_pop_cold(mine, B16K));
    cr_assert_not(cache_push_cold(mine, B16K, slots[2]));
    cr_assert(cache_push(bin(), slots[2]));
    cr_assert_eq(cache_pop(bin()), slots[2]);
}

Test(cache_bounds, quota_that_rises_makes_room)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cr_assert(cache_set_quota(mine, B16K, 5));
    cr_assert(cache_push(bin(), slots[2]));
    cr_assert_eq(bin()->ceiling - cache_private(bin())->slot, 5);
}

Test(cache_bounds, resumed_bins_have_no_cold_slot_below)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cr_assert(cache_resume_fast(mine, B16K));
    cr_assert_null(cache_pop_cold(mine, B16K));
    cr_assert_eq(cache_pop(bin()), slots[1]);
}

/* A signal handler may allocate one or two slots while cache_pop_cold runs. The test lowers the top of the magazine as
 * such a handler does. cache_pop_cold must then return NULL, because it would otherwise return a slot of the handler.
 */
Test(cache_bounds, handler_causes_no_double_allocation)
{
    void *slots[FEW];
    lay(slots, 3);
    cache_mark_cold(mine, B16K);
    void **before = top();
    set_top(before - 1);
    cr_assert_null(cache_pop_cold(mine, B16K));
    set_top(before - 2);
    bin()->floor = before;
    cr_assert_null(cache_pop_cold(mine, B16K));
    cr_assert(cache_resume_fast(mine, B16K));
    cr_assert_eq(cache_pop(bin()), slots[0]);
    cr_assert_null(cache_pop(bin()));
}

Test(cache_bounds, bins_without_a_magazine_have_no_bounds)
{
    void *slots[FEW];
    lay(slots, 0);
    cache_mark_cold(mine, B16K);
    cr_assert_null(cache_pop_cold(mine, B16K));
    cr_assert_not(cache_push_cold(mine, B16K, slots[0]));
}

Test(cache_bounds, other_buckets_are_left_alone)
{
    void *slots[FEW];
    lay(slots, 2);
    cr_assert(cache_set_quota(mine, B8K, FEW));
    void *other = cache_carve(mine, B8K);
    cr_assert(cache_flush(mine, B8K, other));
    cache_mark_cold(mine, B16K);
    cr_assert_eq(cache_pop(&mine->bin[B8K]), other);
}
