/* Tests of prefetching in pool_populate.c. A slot is cold if it was freed long ago. The tests check which slots count
 * as cold, how cold slots are allocated, and which of their cache lines are prefetched. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/prctl.h>

#include "pool/pool.h"
#include "pool/pool_populate.h"
#include "pool/pool_thread.h"
#include "support/house.h"

/* MANY is more slots than the two magazines of a thread can hold. MOST is the largest number of cache lines that are
 * prefetched in one slot, one in each page. PAGE is in bytes. */
enum { PAGE = 4096, MANY = 3 * MAGAZINE_SLOTS, MOST = 16 };

static void *taken[MANY];

/* Disables huge pages in this process, because with them one touched byte would make 2 MiB resident. */
static void forbid_huge_pages(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

TestSuite(pool_fetch, .init = forbid_huge_pages);

static struct cache_bin *bin(unsigned bucket)
{
    return &cache_mine->bin[bucket];
}

/* Returns a slot from the fast path of malloc, or NULL if the fast path finds no slot. */
static void *take_fast(unsigned bucket)
{
    return pool_alloc(bucket_offset_of(bucket), region.geometry[bucket].capacity, NULL);
}

static void take_many(unsigned bucket, size_t request, size_t written)
{
    for (unsigned i = 0; i < MANY; i++) {
        taken[i] = house_take(bucket, request, NULL);
        cr_assert_not_null(taken[i]);
        memset(taken[i], 'x', written);
    }
}

static void give_many(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        house_give(taken[i]);
    }
}

/* Allocates MANY buffers, writes to the first `written` bytes of each, and frees all of them. */
static void burst(unsigned bucket, size_t request, size_t written)
{
    take_many(bucket, request, written);
    give_many();
}

static uint32_t private_slots(unsigned bucket)
{
    return magazine_depth(atomic_load_explicit(&bin(bucket)->top, memory_order_relaxed));
}

/*
 * Returns true if the private magazine has slots but the fast path returns none of them, because these slots are cold.
 */
static bool is_cold(unsigned bucket)
{
    void **top = atomic_load_explicit(&bin(bucket)->top, memory_order_relaxed);
    return private_slots(bucket) > 0 && top <= bin(bucket)->floor;
}

/* Allocates slots until the private magazine is empty, and one more. For the last request another magazine becomes the
 * private one, and its top slot is allocated. */
static void take_to_swap(unsigned bucket)
{
    while (private_slots(bucket) > 0) {
        cr_assert_not_null(house_take(bucket, region.geometry[bucket].capacity, NULL));
    }
    cr_assert_not_null(house_take(bucket, region.geometry[bucket].capacity, NULL));
}

/* --- which slots are cold --- */

Test(pool_fetch, cold_slots_are_allocated_one_by_one)
{
    house_lay_default();
    burst(B64K, 65536, 65536);
    take_to_swap(B64K);
    for (unsigned left = MAGAZINE_SLOTS - 1; left > 0; left--) {
        cr_assert(is_cold(B64K));
        cr_assert_null(take_fast(B64K));
        void *next = atomic_load_explicit(&bin(B64K)->top, memory_order_relaxed)[-1];
        cr_assert_eq(house_take(B64K, 65536, NULL), next);
    }
    cr_assert_not(is_cold(B64K), "the magazine is empty");
    house_assert();
}

Test(pool_fetch, slot_freed_later_is_allocated_first)
{
    house_lay_default();
    burst(B64K, 65536, 65536);
    take_to_swap(B64K);
    void *slot = house_take(B64K, 65536, NULL);
    house_give(slot);
    cr_assert_eq(take_fast(B64K), slot);
    cr_assert_null(take_fast(B64K));
    cr_assert(is_cold(B64K));
}

/* When the private magazine is full, an empty magazine takes the place of the full one. All places in the empty
 * magazine count as cold, that is, they are closed to the fast path. So from then on the slow path frees each slot. */
Test(pool_fetch, cold_slots_are_given_one_by_one)
{
    house_lay_default();
    take_many(B64K, 65536, 65536);
    for (unsigned i = 0; i <= MAGAZINE_SLOTS; i++) {
        house_give(taken[i]);
    }
    cr_assert_eq(private_slots(B64K), 1U, "an empty magazine was exchanged for the full one");
    for (unsigned i = MAGAZINE_SLOTS + 1; i < MANY; i++) {
        void **top = atomic_load_explicit(&bin(B64K)->top, memory_order_relaxed);
        cr_assert_eq(bin(B64K)->ceiling, top);
        house_give(taken[i]);
        if (private_slots(B64K) > 1) {
            cr_assert_eq(take_fast(B64K), taken[i]);
            house_give(taken[i]);
        }
    }
    house_assert();
}

Test(pool_fetch, unwritten_buffers_are_never_cold)
{
    house_lay_default();
    burst(B64K, 65536, 1500);
    take_to_swap(B64K);
    cr_assert_not_null(take_fast(B64K));
}

Test(pool_fetch, single_page_is_never_cold)
{
    house_lay_default();
    burst(B4K, PAGE, PAGE);
    take_to_swap(B4K);
    cr_assert_not_null(take_fast(B4K));
}

/* While purging is due, the next allocation runs a step of decay and does not prefetch. When no purging is due any
 * more, the slots that are closed to the fast path are cold again, and the slow path allocates them one by one. */
Test(pool_fetch, due_purges_come_first)
{
    house_lay_default();
    burst(B64K, 65536, 65536);
    take_to_swap(B64K);
    cache_set_more(cache_mine, true);
    cr_assert_null(pool_alloc_cold(B64K, 65536, NULL));
    cr_assert_not_null(house_take(B64K, 65536, NULL));
    cr_assert_not_null(take_fast(B64K), "the fast path may use the other slots again");
    cache_force_slow(cache_mine);
    cache_set_more(cache_mine, false);
    cr_assert_not_null(pool_alloc_cold(B64K, 65536, NULL));
    cr_assert(is_cold(B64K));
    house_assert();
}

/* If programs write little to the buffers of a bucket, its slots are never cold. cache_force_slow still closes these
 * slots to the fast path, but only for one request. After that request the fast path may use all of them again. */
Test(pool_fetch, forced_slow_slots_of_empty_buffers_are_resumed)
{
    house_lay_default();
    burst(B64K, 65536, 1500);
    take_to_swap(B64K);
    cache_force_slow(cache_mine);
    cr_assert_null(take_fast(B64K));
    cr_assert_not_null(house_take(B64K, 65536, NULL));
    cr_assert_not_null(take_fast(B64K));
}

/* A thread without a cache has no magazine, and so no cold slots, even if programs fill the bucket's buffers. */
Test(pool_fetch, thread_without_a_cache_has_no_cold_slot)
{
    house_lay_default();
    atomic_store_explicit(&pools[B64K].ahead_pages, MOST, memory_order_relaxed);
    cr_assert_eq(cache_mine, &cache_none);
    pool_mark_cold(cache_mine, B64K);
    cr_assert_null(pool_alloc_cold(B64K, 65536, NULL));
    house_carve(B64K, 1);
    cr_assert_not(pool_free_cold(B64K, house_slot(B64K, 0)));
}

/* --- how cold slots are allocated and freed --- */

Test(pool_fetch, cold_allocations_are_counted_and_marked)
{
    uint8_t was = 0;
    house_lay_default();
    burst(B64K, 65536, 65536);
    take_to_swap(B64K);
    uint64_t requests = counter_read(&bin(B64K)->requests);
    uint64_t asked = counter_read(&bin(B64K)->asked);
    void *slot = pool_alloc_cold(B64K, 50000, &was);
    cr_assert_not_null(slot);
    cr_assert_eq(slot_meta_state(was), SLOT_FREE);
    cr_assert_eq(slot_meta_state(region_meta(region_number(slot))), SLOT_LIVE);
    cr_assert_eq(region_request(region_number(slot)), 50000U);
    cr_assert_eq(counter_read(&bin(B64K)->requests), requests + 1);
    cr_assert_eq(counter_read(&bin(B64K)->asked), asked + 50000);
    house_assert();
}

Test(pool_fetch, cold_frees_are_counted_and_can_be_ticks)
{
    house_lay_default();
    take_many(B64K, 65536, 65536);
    for (unsigned i = 0; i <= MAGAZINE_SLOTS; i++) {
        house_give(taken[i]);
    }
    uint64_t returned = cache_returned(cache_mine, B64K);
    cache_arm(cache_mine, B64K, 1);
    cr_assert(pool_free_cold(B64K, taken[MANY - 1]));
    cr_assert_eq(cache_returned(cache_mine, B64K), returned + 1);
    cr_assert_neq(counter_read(&bin(B64K)->returned), 0U, "the tick has set how many frees remain until the next tick");
}

Test(pool_fetch, no_slot_is_allocated_twice_or_lost)
{
    static void *first[MANY];
    house_lay_default();
    burst(B64K, 65536, 65536);
    memcpy(first, taken, sizeof first);
    take_many(B64K, 65536, 1);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned found = 0;
        for (unsigned j = 0; j < MANY; j++) {
            found += first[i] == taken[j];
        }
        cr_assert_eq(found, 1U);
    }
    house_assert();
}

/* --- how much is prefetched --- */

Test(pool_fetch, nothing_is_prefetched_in_a_new_bucket)
{
    house_lay_default();
    cr_assert_eq(pool_fetched_bytes(B64K, 65536), 0U);
    take_many(B64K, 65536, 65536);
    cr_assert_eq(pool_fetched_bytes(B32K, 32768), 0U, "nothing is prefetched in a bucket that was not used");
}

Test(pool_fetch, whole_buffers_are_prefetched_up_to_the_request)
{
    house_lay_default();
    take_many(B64K, 65536, 65536);
    cr_assert_eq(pool_fetched_bytes(B64K, 65536), 65536U);
    cr_assert_eq(pool_fetched_bytes(B64K, 40000), 40000U);
}

Test(pool_fetch, filled_part_is_prefetched)
{
    house_lay_default();
    take_many(B64K, 65536, 3 * PAGE);
    cr_assert_eq(pool_fetched_bytes(B64K, 65536), 3U * PAGE);
}

Test(pool_fetch, large_buffers_are_prefetched_in_part)
{
    house_lay_default();
    for (unsigned i = 0; i < 3; i++) {
        memset(house_take(B1M, 1 << 20, NULL), 'x', 1 << 20);
    }
    cr_assert_eq(pool_fetched_bytes(B1M, 1 << 20), (size_t)MOST * PAGE);
}
