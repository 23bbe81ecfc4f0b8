/* Tests of the library when the kernel refuses all calls for memory from call K on, or up to 16 calls in a row. In
 * the first test K is each number from 1 to 190. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "os/os.h"
#include "pool/pool.h"
#include "route/route.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"

/* LAST_CALL and LAST_MOMENT are the numbers of the last calls at which refusals begin in the two tests. WANTED is
 * how many slots of each bucket a process allocates. FOR_EVER is a number that no call reaches. */
enum { LAST_CALL = 190, LAST_MOMENT = 160, WANTED = 48, FOR_EVER = 1 << 20, PLACES = 9 };

static const unsigned sampled[] = {B4K, B8K, B16K, B32K, B64K, B128K, B256K, B512K, B1M};
enum { SAMPLED = sizeof sampled / sizeof sampled[0] };

/* How far a child process gets when the kernel refuses memory: from no pools at all (the first value) to all slots that
 * it wants (the last value). */
enum path {
    PATH_NO_RESERVATION, /* mimalloc serves everything */
    PATH_NO_CACHE,       /* the thread gets no cache of its own, and uses the shared cache */
    PATH_NO_SLOT,        /* the thread gets a cache, but no slot */
    PATH_SOME_SLOTS,
    PATH_ALL_SLOTS,
    PATHS
};

static const char *const path_names[] = {"no reservation", "no cache", "no slot", "some slots", "all slots"};

/* What the test tells a child process and what the child has found, in memory that both share. Memory calls are mmap,
 * mremap and madvise; they are numbered from 1, and the kernel refuses some of them. */
static struct life {
    unsigned first;      /* the number of the first memory call that is refused */
    unsigned last;       /* the number of the last memory call that is refused */
    unsigned init_calls; /* how many memory calls the process has made when the pools are open */
    unsigned calls;
    unsigned refusals;
    unsigned served;
    enum path path;
} * life;

static char *held[SAMPLED][WANTED];

static enum path find_path(unsigned served)
{
    if (served == SAMPLED * WANTED) {
        return PATH_ALL_SLOTS;
    }
    if (cache_mine == &cache_shared) {
        return PATH_NO_CACHE;
    }
    return served > 0 ? PATH_SOME_SLOTS : PATH_NO_SLOT;
}

/* Allocates a slot, writes to both of its ends, and returns it. Returns NULL if a call was refused and so there is no
 * slot. */
static char *take(unsigned bucket)
{
    char *slot = house_take(bucket, house_plan.size[bucket], NULL);
    if (slot != NULL) {
        CHECK(slot[0] != 'l');
        slot[0] = slot[house_plan.size[bucket] - 1] = 'l';
    }
    CHECK(slot != NULL || os_failing_refusals() > 0);
    return slot;
}

static void give(char **slot, unsigned bucket)
{
    if (*slot != NULL) {
        CHECK((*slot)[0] == 'l' && (*slot)[house_plan.size[bucket] - 1] == 'l');
        (*slot)[0] = 'f';
        house_give(*slot);
        *slot = NULL;
    }
}

static unsigned take_all(void)
{
    unsigned served = 0;
    for (unsigned i = 0; i < SAMPLED; i++) {
        for (unsigned j = 0; j < WANTED; j++) {
            held[i][j] = held[i][j] != NULL ? held[i][j] : take(sampled[i]);
            served += held[i][j] != NULL;
        }
    }
    return served;
}

static void give_every(unsigned step)
{
    for (unsigned i = 0; i < SAMPLED; i++) {
        for (unsigned j = 0; j < WANTED; j += step) {
            give(&held[i][j], sampled[i]);
        }
    }
}

/* Checks that mimalloc serves every request that the pools cannot serve. */
static void expect_route_serves(void)
{
    for (size_t request = 4096; request <= 4 << 20; request *= 4) {
        char *bytes = route_alloc(request, NULL);
        if (CHECK(bytes != NULL)) {
            bytes[0] = bytes[request - 1] = 'r';
            route_free("free", bytes);
        }
    }
}

/* Opens the only cache for which the first page of the table has space, as if for another thread. */
static void give_first_cache_away(void)
{
    CHECK(sizeof(struct cache) == os_page_size());
    CHECK(cache_reach() != &cache_shared);
    cache_mine = &cache_none;
}

static void live_through(void *argument)
{
    (void)argument;
    struct bucket_settings settings = house_defaults();
    os_failing_between(life->first, life->last);
    bool laid = house_try(&settings, HOUSE_SHIFT);
    life->init_calls = os_failing_calls();
    if (!laid) {
        life->path = PATH_NO_RESERVATION;
        expect_route_serves();
    } else {
        give_first_cache_away();
        life->served = take_all();
        life->path = find_path(life->served);
        house_check();
        give_every(2);
        pool_trim((size_t)1 << 30);
        house_check();
        unsigned again = take_all();
        CHECK(again >= life->served || life->first <= os_failing_calls());
        house_check();
        expect_route_serves();
        give_every(1);
        house_check();
        for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
            CHECK(house_metadata(bucket, SLOT_LIVE) == 0);
        }
        if (life->last < os_failing_calls()) {
            CHECK(take_all() == SAMPLED * WANTED);
        }
    }
    life->calls = os_failing_calls();
    life->refusals = os_failing_refusals();
}

static void live(unsigned first, unsigned last)
{
    struct capture capture;
    memset(life, 0, sizeof *life);
    life->first = first;
    life->last = last;
    capture_run(&capture, live_through, NULL);
    cr_assert(capture_is_clean(&capture), "refusing calls %u to %u: status %x, %s", first, last,
              (unsigned)capture.status, capture.words);
}

static void share_life(void)
{
    void *shared = mmap(NULL, sizeof *life, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    life = shared;
}

TestSuite(failure_sweep, .init = share_life);

/* Runs a process for each K, in which the kernel refuses all calls from call K on. The process must get at least as
 * far, and at least as many slots, as the process before with a smaller K. */
Test(failure_sweep, all_calls_from_each_on, .timeout = 120)
{
    bool seen[PATHS] = {false};
    unsigned served = 0;
    enum path path = PATH_NO_RESERVATION;
    live(FOR_EVER, FOR_EVER);
    cr_assert_eq(life->path, PATH_ALL_SLOTS);
    unsigned calls = life->calls;
    cr_assert_geq(calls, (unsigned)LAST_CALL, "the whole run has only %u calls", calls);
    for (unsigned call = 1; call <= LAST_CALL; call++) {
        live(call, FOR_EVER);
        cr_assert_gt(life->refusals, 0U, "call %u", call);
        cr_assert_geq(life->served, served, "call %u", call);
        cr_assert_geq(life->path, path, "call %u: %s after %s", call, path_names[life->path], path_names[path]);
        served = life->served;
        path = life->path;
        seen[path] = true;
    }
    for (unsigned i = 0; i < PATH_ALL_SLOTS; i++) {
        cr_assert(seen[i], "the outcome '%s' has never happened", path_names[i]);
    }
    cr_assert_gt(served, (unsigned)WANTED);
}

/*
 * Refuses a row of calls, and no call after it, so that all later requests are served. Rows have 1, 2, 4, 8 or 16
 * calls. With 2 calls, the second attempt of a table, which asks for fewer bytes, fails too. With 4 and 8 the range
 * cannot grow. With 16 even a single slot cannot be carved. For each length, the first row begins at call 1, and each
 * other row where the row before ends. If a call of start-up is refused, there are no pools, with one exception:
 * start-up looks for free addresses in PLACES places, by one call each, and a row from call 1 must refuse all of these.
 */
Test(failure_sweep, a_few_calls_from_each_on, .timeout = 120)
{
    bool seen[PATHS] = {false};
    live(FOR_EVER, FOR_EVER);
    unsigned init_calls = life->init_calls;
    for (unsigned length = 1; length <= 16; length *= 2) {
        for (unsigned call = 1; call <= LAST_MOMENT; call += length) {
            live(call, call + length - 1);
            cr_assert_gt(life->refusals, 0U);
            cr_assert_eq(life->path == PATH_NO_RESERVATION, call > 1 ? call <= init_calls : length >= PLACES,
                         "calls from %u on, %u of them", call, length);
            seen[life->path] = true;
        }
    }
    cr_assert(seen[PATH_ALL_SLOTS] && seen[PATH_SOME_SLOTS]);
}
