/* Tests of cache/depot.c, through which threads exchange magazines. Each bucket has two stacks of magazines with slots,
 * one for the young and one for the old generation, and one stack of empty magazines. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache/depot.h"
#include "memory/bucket.h"
#include "support/crew.h"
#include "support/house.h"

enum { SHIFT = 26, BUCKET = 3, OTHER = 4, THREADS = 8, ROUNDS = 50000 };

static void lay(void)
{
    cr_assert_not_null(house_space(magazine_space()));
    cr_assert(magazine_lay());
}

static struct magazine *give(unsigned bucket, uint32_t count)
{
    struct magazine *magazine = magazine_open();
    magazine_set_count(magazine, count);
    depot_push(bucket, magazine);
    return magazine;
}

Test(depot, nothing_is_full_at_first)
{
    lay();
    cr_assert_null(depot_pop_full(BUCKET));
}

Test(depot, empty_magazines_are_opened_when_needed)
{
    lay();
    struct magazine *first = depot_pop_empty(BUCKET);
    struct magazine *second = depot_pop_empty(BUCKET);
    cr_assert(first != NULL && second != NULL && first != second);
    cr_assert_eq(magazine_count(first), 0);
    depot_push(BUCKET, first);
    cr_assert_eq(depot_pop_empty(BUCKET), first, "a magazine that was put back comes before a new one");
}

Test(depot, count_decides_where_a_magazine_goes)
{
    lay();
    struct magazine *empty = give(BUCKET, 0);
    struct magazine *single = give(BUCKET, 1);
    struct magazine *full = give(BUCKET, MAGAZINE_SLOTS);
    cr_assert_eq(depot_pop_full(BUCKET), full);
    cr_assert_eq(depot_pop_full(BUCKET), single, "a magazine with one slot counts as full");
    cr_assert_null(depot_pop_full(BUCKET));
    cr_assert_eq(depot_pop_empty(BUCKET), empty);
}

Test(depot, buckets_do_not_mix)
{
    lay();
    struct magazine *full = give(BUCKET, 5);
    struct magazine *empty = give(BUCKET, 0);
    cr_assert_null(depot_pop_full(OTHER));
    cr_assert_neq(depot_pop_empty(OTHER), empty);
    cr_assert_eq(depot_pop_full(BUCKET), full);
    cr_assert_eq(depot_pop_empty(BUCKET), empty);
}

/* Makes the young generation the old one, as the library does after some time. */
static void turn(void)
{
    cr_assert(decay_turn(atomic_load(&decay.turned) + decay.age));
}

Test(depot, young_magazines_are_taken_first)
{
    lay();
    decay_open(1);
    struct magazine *old = give(BUCKET, 1);
    turn();
    struct magazine *young = give(BUCKET, 2);
    cr_assert_eq(depot_pop_full(BUCKET), young);
    cr_assert_eq(depot_pop_full(BUCKET), old);
    depot_push_old(BUCKET, old);
    cr_assert_eq(depot_pop_old(BUCKET), old, "a magazine that is put back as old stays old");
    cr_assert_null(depot_pop_old(BUCKET));
}

Test(depot, reset_forgets_both_generations)
{
    lay();
    decay_open(1);
    give(BUCKET, 1);
    turn();
    give(BUCKET, 2);
    depot_reset();
    cr_assert_null(depot_pop_full(BUCKET));
}

Test(depot, reset_forgets_all)
{
    lay();
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        give(bucket, 5);
        give(bucket, 0);
    }
    depot_reset();
    struct magazine *next = magazine_open();
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        cr_assert_null(depot_pop_full(bucket));
        cr_assert_gt(depot_pop_empty(bucket), next, "the magazine had to be opened");
    }
}

Test(depot, full_table_has_no_more_magazines)
{
    lay();
    while (magazine_open() != NULL) {
    }
    cr_assert_null(depot_pop_empty(BUCKET));
}

static struct magazine *all[THREADS * 2];
static _Atomic uint32_t moved;  /* how often a thread has popped a full magazine */
static _Atomic uint32_t opened; /* how many magazines have been opened */

/* Runs as one of several threads that empty full magazines and fill empty ones. A thread that pops a magazine must see
 * everything that the thread before it has written to the magazine. */
static void exchange(unsigned number)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct magazine *full = depot_pop_full(BUCKET);
        if (full != NULL) {
            CHECK(magazine_count(full) == 2);
            CHECK(full->slot[0] == full->slot[1]);
            full->slot[0] = full->slot[1] = (void *)(uintptr_t)(number + 1);
            magazine_set_count(full, round % 2 == 0 ? 2 : 0);
            depot_push(BUCKET, full);
            atomic_fetch_add(&moved, 1);
            continue;
        }
        struct magazine *empty = depot_pop_empty(BUCKET);
        if (CHECK(empty != NULL && magazine_count(empty) == 0)) {
            atomic_fetch_add(&opened, empty->slot[0] == NULL ? 1U : 0U);
            empty->slot[0] = empty->slot[1] = (void *)(uintptr_t)(number + 1);
            magazine_set_count(empty, 2);
            depot_push(BUCKET, empty);
        }
    }
}

Test(depot, threads_exchange_whole_magazines)
{
    lay();
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
        all[i] = give(BUCKET, 0);
        all[i]->slot[0] = all; /* a pointer other than NULL shows that the magazine is counted in `opened` */
    }
    opened = sizeof all / sizeof all[0];
    crew_run(THREADS, exchange);
    cr_assert_gt(moved, 0U);
    unsigned found = 0;
    while (depot_pop_full(BUCKET) != NULL) {
        found++;
    }
    struct magazine *next = magazine_open();
    while (depot_pop_empty(BUCKET) < next) {
        found++;
    }
    cr_assert_eq(found, opened, "every opened magazine lies in the depot exactly once");
}
