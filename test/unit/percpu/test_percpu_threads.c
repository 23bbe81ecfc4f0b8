/* Tests of percpu/percpu.c, the caches of processors, on several processors, by threads that stay on one processor and
 * by threads that move. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "memory/region.h"
#include "memory/slot_meta.h"
#include "memory/slots.h"
#include "percpu/percpu.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"

enum { QUOTA = 8, THREADS = 12, ROUNDS = 100000, WINDOW = 12, PLACES = 64 };

static const unsigned buckets[] = {B4K, B16K, B64K};
enum { USED = sizeof buckets / sizeof buckets[0] };

/* --- two processors -------------------------------------------------------------------------- */

static void *slot_of_the_first;
static unsigned numbers[2];
static _Atomic unsigned turn;

static void await(unsigned wanted)
{
    while (turn != wanted) {
        sched_yield();
    }
}

/* Allocates a slot on one processor and frees it on another. The slot then belongs to the cache of the second
 * processor. */
static void take_here_give_there(unsigned number)
{
    enum percpu_source source;
    numbers[number] = processors_pin(number);
    if (number == 0) {
        slot_of_the_first = processors_take(B16K, &source);
        turn = 1;
        return;
    }
    await(1);
    CHECK(processors_give(B16K, slot_of_the_first));
    CHECK(processors_take(B16K, &source) == slot_of_the_first);
    CHECK(source == PERCPU_CACHE);
    CHECK(processors_give(B16K, slot_of_the_first));
}

Test(percpu_threads, each_processor_has_its_own_magazine)
{
    processors_lay();
    percpu_set_quota(B16K, QUOTA);
    crew_run(2, take_here_give_there);
    if (numbers[0] == numbers[1]) {
        cr_assert_eq(processors_held(numbers[0], B16K), QUOTA, "this machine has one processor");
    } else {
        cr_assert_eq(processors_held(numbers[0], B16K), QUOTA - 1U);
        cr_assert_eq(processors_held(numbers[1], B16K), 1U);
    }
    house_assert();
}

/* --- no slot belongs to two threads, and no count is lost --- */

static _Atomic uint8_t holder[USED][HOUSE_PAGES];
static _Atomic(void *) places[PLACES];
static _Atomic uint64_t takes, gives;

static unsigned index_of(const void *slot)
{
    unsigned at = 0;
    while (buckets[at] != region_find(slot).bucket) {
        at++;
    }
    return at;
}

static void *take_as(unsigned number, unsigned at)
{
    enum percpu_source source;
    void *slot = processors_take(buckets[at], &source);
    if (CHECK(slot != NULL && region_find(slot).exact && region_find(slot).bucket == buckets[at])) {
        CHECK(atomic_exchange(&holder[at][region_number(slot)], (uint8_t)(number + 1)) == 0);
        atomic_fetch_add(&takes, 1);
    }
    return slot;
}

static void give(void *slot)
{
    unsigned at = index_of(slot);
    CHECK(atomic_exchange(&holder[at][region_number(slot)], 0) != 0);
    processors_give(buckets[at], slot);
    atomic_fetch_add(&gives, 1);
}

/* Runs as a thread: allocates slots and frees those of other threads. Every second thread is pinned to one processor,
 * and thread 0 also changes the quotas. */
static void hand_over(unsigned number)
{
    static const uint32_t quotas[] = {0, 1, QUOTA, MAGAZINE_SLOTS, 3};
    uint64_t random = number + 1;
    if (number % 2 == 1) {
        processors_pin(number / 2);
    }
    for (unsigned round = 0; round < ROUNDS && crew_fault() == NULL; round++) {
        unsigned at = (unsigned)(crew_random(&random) % USED);
        void *slot = atomic_exchange(&places[crew_random(&random) % PLACES], take_as(number, at));
        if (slot != NULL) {
            give(slot);
        }
        if (number == 0 && round % 64 == 0) {
            percpu_set_quota(buckets[at], quotas[crew_random(&random) % 5]);
        }
    }
}

/* Checks that each free slot can be allocated, so that none was lost on its way between the processors' magazines, the
 * depot and the stacks. */
static void expect_all_within_reach(void)
{
    for (unsigned at = 0; at < USED; at++) {
        percpu_set_quota(buckets[at], 0);
        for (unsigned n = 0; n < percpu_records(); n++) {
            processors_pin(n);
            give(take_as(0, at));
        }
        uint32_t carved = region_carved(buckets[at]);
        for (uint32_t left = carved; left > 0; left--) {
            take_as(0, at);
        }
        cr_assert_eq(region_carved(buckets[at]), carved);
    }
}

Test(percpu_threads, no_slot_has_two_owners_and_no_count_is_lost, .timeout = 120)
{
    processors_lay();
    for (unsigned at = 0; at < USED; at++) {
        percpu_set_quota(buckets[at], QUOTA);
    }
    crew_run(THREADS, hand_over);
    house_assert();
    for (unsigned i = 0; i < PLACES; i++) {
        void *slot = atomic_exchange(&places[i], NULL);
        if (slot != NULL) {
            give(slot);
        }
    }
    house_assert();
    uint64_t requests = 0;
    uint64_t returned = 0;
    for (unsigned at = 0; at < USED; at++) {
        requests += PROCESSORS_FAST(buckets[at], requests);
        returned += PROCESSORS_FAST(buckets[at], returned);
        cr_assert_eq(house_metadata(buckets[at], SLOT_LIVE), 0U);
    }
    cr_assert_eq(requests, takes);
    cr_assert_eq(returned, gives);
    cr_assert_eq(takes, gives);
    expect_all_within_reach();
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

/* --- reset ------------------------------------------------------------------------------------ */

static void fill_a_magazine(unsigned number)
{
    void *taken[QUOTA];
    enum percpu_source source;
    numbers[number] = processors_pin(number);
    for (unsigned i = 0; i < QUOTA; i++) {
        taken[i] = processors_take(B16K, &source);
    }
    for (unsigned i = 0; i < QUOTA; i++) {
        processors_give(B16K, taken[i]);
    }
}

Test(percpu_threads, reset_forgets_slots_and_counts)
{
    processors_lay();
    percpu_set_quota(B16K, QUOTA);
    crew_run(2, fill_a_magazine);
    cr_assert_gt(processors_held(numbers[0], B16K), 0U);
    cr_assert_gt(PROCESSORS_FAST(B16K, requests), 0);
    percpu_reset();
    static const struct cache unused;
    for (unsigned number = 0; number < percpu_records(); number++) {
        const struct cache *record = percpu_at(number);
        cr_assert_eq(memcmp(record, &unused, sizeof *record), 0);
    }
    cr_assert_eq(percpu_quota(B16K), QUOTA, "the quota that was set stays");
    uint32_t carved = region_carved(B16K);
    enum percpu_source source;
    cr_assert_not_null(processors_take(B16K, &source));
    cr_assert_eq(source, PERCPU_CARVED);
    cr_assert_gt(region_carved(B16K), carved);
    cr_assert_eq(PROCESSORS_FAST(B16K, requests), 1);
}

/* Purged slots are allocated after all other free slots, and before new slots are carved. */
Test(percpu_threads, purged_slots_are_taken_before_any_is_carved)
{
    enum percpu_source source;
    processors_lay();
    processors_pin(0); /* pins the thread, because on another processor it would use that processor's magazine */
    percpu_set_quota(B16K, QUOTA);
    uint32_t number = region_number(processors_take(B16K, &source));
    region_set_meta(number, slot_meta_of(SLOT_PURGED, B16K));
    slots_push_purged(B16K, number);
    for (unsigned i = 1; i < QUOTA; i++) {
        processors_take(B16K, &source);
    }
    uint32_t carved = region_carved(B16K);
    cr_assert_eq(region_number(processors_take(B16K, &source)), number);
    cr_assert_eq(source, PERCPU_PURGED);
    cr_assert_eq(PROCESSORS_SLOW(B16K, unpurged), 1);
    cr_assert_eq(region_carved(B16K), carved);
    processors_take(B16K, &source);
    cr_assert_eq(source, PERCPU_CARVED);
}
