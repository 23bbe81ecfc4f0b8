/* Tests of the walk, in which a thread looks for free slots in other threads' caches: the thread takes a public
 * magazine that it finds there, and carves new slots only if it finds none. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/quotas.h"

/*
 * Three numbers of slots, all multiples of 16, because 16 slots are carved at once. IN_ONE slots fill a part of one
 * magazine. IN_TWO slots fill most of two magazines, the private and the public one. IN_THREE slots fill both and also
 * some magazines of the depot.
 */
enum { IN_ONE = 32, IN_TWO = 112, IN_THREE = 192 };

static unsigned owned; /* how many slots the owner of the stolen magazine has allocated and freed */
static crew_work *thief;

static struct snapshot_figures look(void)
{
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    return snapshot.bucket[B16K];
}

/* Runs in thread 0: frees slots into its magazines, waits while the other thread steals, and then checks which slots
 * are left. */
static void own(void)
{
    void *taken[IN_THREE];
    for (unsigned i = 0; i < owned; i++) {
        taken[i] = house_take(B16K, 16384, NULL);
    }
    for (unsigned i = 0; i < owned; i++) {
        house_give(taken[i]);
    }
    crew_meet();
    crew_meet();
    house_check();
    uint32_t left = cache_held(cache_mine, B16K);
    for (uint32_t i = 0; i < left; i++) {
        CHECK(house_take(B16K, 16384, NULL) != NULL);
    }
    CHECK(cache_held(cache_mine, B16K) == 0);
    house_check();
    crew_meet();
}

static void own_or_steal(unsigned number)
{
    if (number == 0) {
        own();
    } else {
        crew_meet();
        thief(number);
        crew_meet();
        crew_meet(); /* waits until the other thread has made its checks, because slots move when a thread ends */
    }
}

static void run(unsigned slots_owned, crew_work *work)
{
    owned = slots_owned;
    thief = work;
    house_lay_default();
    crew_run(2, own_or_steal);
    house_assert();
}

/* Allocates as many slots as a magazine holds: the first request steals the other thread's public magazine, and the
 * others are served from it without another walk. */
static void steal(unsigned number)
{
    (void)number;
    struct snapshot_figures before = look();
    CHECK(before.cached == IN_TWO);
    for (unsigned i = 0; i < MAGAZINE_SLOTS; i++) {
        CHECK(house_take(B16K, 16384, NULL) != NULL);
        struct snapshot_figures now = look();
        CHECK(now.steals == 1);
        CHECK(now.carved == before.carved);
        CHECK(now.depot_hits == before.depot_hits);
        /* every request but the first, which stole the magazine, is a cache hit */
        CHECK(now.cache_hits == before.cache_hits + i);
    }
    CHECK(look().walks > before.walks);
    CHECK(look().misses == before.misses + 1);
    house_check();
}

Test(pool_walk, takes_the_whole_public_magazine)
{
    run(IN_TWO, steal);
}

/* Checks that nothing is stolen: the other thread has only a private magazine, which is never taken, because its owner
 * may be using it. */
static void find_nothing(unsigned number)
{
    (void)number;
    struct snapshot_figures before = look();
    CHECK(before.cached == IN_ONE);
    CHECK(house_take(B16K, 16384, NULL) != NULL);
    struct snapshot_figures now = look();
    CHECK(now.walks == before.walks + 1); /* the process has one other thread, so the walk has looked at one cache */
    CHECK(now.steals == 0);
    CHECK(now.carved > before.carved);
}

Test(pool_walk, leaves_the_private_one_alone)
{
    run(IN_ONE, find_nothing);
}

/* A thread without a quota takes one slot of the stolen magazine. The other slots go to the depot, where any thread can
 * get them. */
static void take_one(unsigned number)
{
    (void)number;
    struct training_settings untrained = {.frozen = true};
    /* with these settings new threads get no quota; the thread that owns the magazine got its quota before */
    training_open(&untrained);
    struct snapshot_figures before = look();
    void *slot = house_take(B16K, 16384, NULL);
    CHECK(slot != NULL && quotas_of(B16K) == 0);
    struct snapshot_figures now = look();
    CHECK(now.steals == 1);
    CHECK(now.carved == before.carved);
    CHECK(now.depot == before.depot + MAGAZINE_SLOTS - 1);
    CHECK(now.cached == before.cached - MAGAZINE_SLOTS);
    CHECK(house_take(B16K, 16384, NULL) != NULL);
    CHECK(look().depot_hits == now.depot_hits + 1);
    house_give(slot);
    CHECK(cache_held(cache_mine, B16K) == 0);
    house_check();
}

Test(pool_walk, serves_a_thread_without_a_quota)
{
    run(IN_TWO, take_one);
}

/*
 * While another thread has a public magazine, a request steals that magazine, and leaves the slots of the depot where
 * they are.
 */
static void leave_the_depot(unsigned number)
{
    (void)number;
    struct snapshot_figures before = look();
    CHECK(before.depot > 0);
    CHECK(house_take(B16K, 16384, NULL) != NULL);
    CHECK(look().steals == 1);
    CHECK(look().depot == before.depot);
}

Test(pool_walk, walk_comes_before_the_depot)
{
    run(IN_THREE, leave_the_depot);
}
