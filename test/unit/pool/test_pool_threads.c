/* Tests of the pools with several threads: one thread allocates slots and another frees them, and no slot is lost or
 * used twice. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"

enum { THREADS = 8, PLACES = 64, ROUNDS = 30000 };

/* Returns the smallest request that the bucket serves: one byte more than the previous bucket can hold. */
static size_t least(unsigned bucket)
{
    return bucket == 0 ? house_plan.minimum : house_plan.capacity[bucket - 1] + 1;
}

/* slots that one thread has allocated and another thread will free */
static _Atomic(char *) places[PLACES];

/* Writes the number `owner` to both ends and to the middle of the slot. If two threads held one slot at the same time,
 * expect_mark would find different numbers there. */
static void mark(char *slot, size_t size, uint64_t owner)
{
    memcpy(slot, &owner, sizeof owner);
    memcpy(slot + size / 2, &owner, sizeof owner);
    memcpy(slot + size - sizeof owner, &owner, sizeof owner);
}

static void expect_mark(const char *slot, size_t size)
{
    uint64_t first;
    memcpy(&first, slot, sizeof first);
    CHECK(memcmp(slot + size / 2, &first, sizeof first) == 0);
    CHECK(memcmp(slot + size - sizeof first, &first, sizeof first) == 0);
}

static void take_back(char *slot)
{
    if (slot != NULL) {
        expect_mark(slot, region_request(region_number(slot)));
        house_give(slot);
    }
}

/* Runs as a thread: allocates slots and puts them into places that all threads share, and frees the slots that it finds
 * there. Most of these were allocated by other threads. */
static void hand_over(unsigned number)
{
    uint64_t random = number + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned bucket = (unsigned)(crew_random(&random) % (B256K + 1));
        size_t request = least(bucket) + crew_random(&random) % 4096;
        char *slot = house_take(bucket, request, NULL);
        if (!CHECK(slot != NULL)) {
            return;
        }
        mark(slot, request, crew_random(&random));
        take_back(atomic_exchange(&places[crew_random(&random) % PLACES], slot));
    }
}

Test(pool_threads, counters_agree_after_threads_exchanged_slots)
{
    house_lay_default();
    crew_run(THREADS, hand_over);
    house_assert();
    unsigned live = 0;
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(house_figures(bucket)->cached, 0, "a thread that has ended has no cache");
        live += (unsigned)house_figures(bucket)->live;
    }
    for (unsigned i = 0; i < PLACES; i++) {
        live -= places[i] != NULL;
        take_back(places[i]);
    }
    cr_assert_eq(live, 0, "the live slots are those that were not freed");
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        cr_assert_eq(house_metadata(bucket, SLOT_LIVE), 0);
        cr_assert_eq(house_figures(bucket)->live, 0);
    }
    house_assert();
}

/* Thread 0 only allocates, and puts each slot into the next of the shared places. Thread 1 only frees, and takes the
 * slots from these places. */
static void take_or_give(unsigned number)
{
    for (unsigned i = 0; i < ROUNDS;) {
        _Atomic(char *) *place = &places[i % PLACES];
        if (number == 0 && *place == NULL) {
            char *slot = house_take(B16K, 16384, NULL);
            if (!CHECK(slot != NULL)) {
                return;
            }
            mark(slot, 16384, i);
            *place = slot;
            i++;
        } else if (number == 1 && *place != NULL) {
            take_back(atomic_exchange(place, NULL));
            i++;
        }
    }
}

/* One thread only allocates and another one only frees. The freed slots must reach the first thread, because that
 * thread would otherwise carve new slots for ever. */
Test(pool_threads, freed_slots_reach_a_thread_that_only_takes, .timeout = 60)
{
    house_lay_default();
    crew_run(2, take_or_give);
    house_assert();
    cr_assert_eq(house_figures(B16K)->requests, ROUNDS);
    cr_assert_eq(house_figures(B16K)->live, 0);
    /* The slots fill at most the four magazines of the two threads, of 62 slots each, and all places. Besides, up to 16
     * slots may be new, because 16 slots are carved at once. */
    cr_assert_leq(house_figures(B16K)->carved, 4 * 62 + PLACES + 16);
    /* The slots come back through the depot or from the public magazine of the freeing thread. Either of the two ways
     * alone may have served all requests. */
    cr_assert_gt(house_figures(B16K)->depot_hits + house_figures(B16K)->steals, 0);
}

/* One thread only allocates and another one only frees. Both begin without a quota, and training gives them the quotas
 * that they need. */
Test(pool_threads, freed_slots_reach_it_during_training, .timeout = 60)
{
    house_pools.training = (struct training_settings){.frozen = false};
    house_lay_default();
    crew_run(2, take_or_give);
    house_assert();
    cr_assert_eq(house_figures(B16K)->requests, ROUNDS);
    cr_assert_eq(house_figures(B16K)->live, 0);
    cr_assert_leq(house_figures(B16K)->carved, 4 * 62 + PLACES + 16);
    cr_assert_eq(house_figures(B16K)->promotions, 2);
    cr_assert_gt(house_figures(B16K)->growths, 0);
}
