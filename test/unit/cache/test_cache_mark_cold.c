/* The cache room: slots of the private magazine that are cold, on both sides of the warm ones. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/cache.h"
#include "support/house.h"

enum { FEW = 4 };

static struct cache *mine;

static struct cache_bin *bin(void)
{
    return &mine->bin[B16K];
}

static void put(void *slot)
{
    cr_assert(cache_push(bin(), slot) || cache_flush(mine, B16K, slot));
}

/* A private magazine that holds so many slots, the last of them on top, and has room for two more.
 */
static void lay(void *slots[FEW], uint32_t held)
{
    house_lay_default();
    mine = cache_reach();
    cr_assert(cache_set_quota(mine, B16K, held + 2));
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

Test(cache_mark_cold, cold_slots_are_taken_one_by_one)
{
    void *slots[FEW];
    lay(slots, 2);
    cr_assert_null(cache_pop_cold(mine, B16K), "none is cold yet");
    cache_mark_cold(mine, B16K);
    cr_assert_null(cache_pop(bin()));
    cr_assert_eq(cache_pop_cold(mine, B16K), slots[1]);
    cr_assert_null(cache_pop(bin()), "the other stays where it is");
    cr_assert_eq(cache_pop_cold(mine, B16K), slots[0]);
    cr_assert_null(cache_pop_cold(mine, B16K));
}

Test(cache_mark_cold, slots_are_given_one_by_one_up_to_the_quota)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cr_assert_not(cache_push(bin(), slots[2]));
    cr_assert(cache_push_cold(mine, B16K, slots[2]));
    cr_assert_not(cache_push(bin(), slots[3]));
    cr_assert(cache_push_cold(mine, B16K, slots[3]));
    cr_assert_not(cache_push_cold(mine, B16K, slots[0]), "the quota is all used");
    cr_assert_eq(top()[-1], slots[3]);
}

/* What has come or gone since may do so again by the fast paths. */
Test(cache_mark_cold, warm_slots_lie_between)
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

Test(cache_mark_cold, magazine_that_comes_in_is_warm_until_marked_cold)
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

Test(cache_mark_cold, quota_that_rises_makes_room)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cr_assert(cache_set_quota(mine, B16K, 5));
    cr_assert(cache_push(bin(), slots[2]));
    cr_assert_eq(bin()->ceiling - cache_private(bin())->slot, 5);
}

Test(cache_mark_cold, resumed_bins_have_no_cold_slot_below)
{
    void *slots[FEW];
    lay(slots, 2);
    cache_mark_cold(mine, B16K);
    cr_assert(cache_resume_fast(mine, B16K));
    cr_assert_null(cache_pop_cold(mine, B16K));
    cr_assert_eq(cache_pop(bin()), slots[1]);
}

/* A handler took one, or two, in the middle of a take, and keeps them. */
Test(cache_mark_cold, handler_leaves_no_slot_to_be_taken_twice)
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

Test(cache_mark_cold, bins_without_a_magazine_have_neither)
{
    void *slots[FEW];
    lay(slots, 0);
    cache_mark_cold(mine, B16K);
    cr_assert_null(cache_pop_cold(mine, B16K));
    cr_assert_not(cache_push_cold(mine, B16K, slots[0]));
}

Test(cache_mark_cold, other_buckets_are_left_alone)
{
    void *slots[FEW];
    lay(slots, 2);
    cr_assert(cache_set_quota(mine, B8K, FEW));
    void *other = cache_carve(mine, B8K);
    cr_assert(cache_flush(mine, B8K, other));
    cache_mark_cold(mine, B16K);
    cr_assert_eq(cache_pop(&mine->bin[B8K]), other);
}
