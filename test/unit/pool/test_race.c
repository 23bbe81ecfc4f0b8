/* Tests of races that the test arranges: in the middle of one thread's step, another thread does the same step and
 * finishes first. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <sched.h>
#include <sys/mman.h>

#include "cache/cache.h"
#include "cache/magazine.h"
#include "memory/region.h"
#include "memory/table.h"
#include "os/os.h"
#include "pool/pool.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/os_failing.h"

enum { SMALL_SHIFT = 22 };

static struct table table;

static void grow_far(void)
{
    cr_assert(table_reach(&table, 512 << 10));
    table.start[(512 << 10) - 1] = 1;
}

/* Two threads extend the table at once, and the faster thread extends it by more. The slower thread must not make the
 * table shorter again. */
Test(race, table_never_shrinks)
{
    char *start = house_space(1 << 20);
    cr_assert_not_null(start);
    table_open(&table, start, 1 << 20, 16 << 10);
    os_failing_meanwhile(grow_far);
    cr_assert(table_reach(&table, os_page_size() + 1));
    cr_assert_geq(atomic_load(&table.ready), (size_t)512 << 10);
    cr_assert_eq(table.start[(512 << 10) - 1], 1);
}

static void open_table(void)
{
    char *start = house_space(1 << 20);
    cr_assert_not_null(start);
    cr_assert(table_open(&table, start, 1 << 20, 16 << 10));
    os_failing_never();
}

/* Runs after a thread has extended the table and before this thread publishes the extension. Returns only when another
 * thread waits for the extension, so that it is published late. */
static void dawdle(void)
{
    while (os_failing_waits() == 0) {
        sched_yield();
    }
}

static atomic_bool extended;

static void dawdle_and_tell(void)
{
    extended = true;
    dawdle();
}

static void reach_twice(unsigned number)
{
    while (number == 1 && !extended) {
        sched_yield();
    }
    CHECK(table_reach(&table, os_page_size() + 1));
    CHECK(table_reach(&table, 100000));
    table.start[os_page_size() + number] = 1;
    table.start[99998 + number] = 1;
}

/* The kernel refuses the second thread's extension, because the first has mapped those addresses. The second thread
 * then waits until the first has published its extension. */
Test(race, slower_thread_waits_for_the_faster, .timeout = 20)
{
    open_table();
    os_failing_afterwards(dawdle_and_tell);
    crew_run(2, reach_twice);
    cr_assert_gt(os_failing_waits(), 0U);
}

/*
 * extend_as_another and publish_as_another act as another thread. The first extends the table, so that the kernel
 * refuses the test's own extension. The second publishes the other thread's extension, while the test's thread checks
 * what is mapped behind the table's end.
 */
static void extend_as_another(void)
{
    atomic_fetch_add(&table.growing, 1);
    CHECK(os_extend(table.start + os_page_size(), 16 << 10));
}

static void publish_as_another(void)
{
    atomic_store(&table.ready, os_page_size() + (16 << 10));
    atomic_fetch_sub(&table.growing, 1);
}

/*
 * Another thread has extended the table, so a mapping of that thread lies behind the table's end. The library must not
 * take this mapping for a stranger's, one that it has not made. The library would otherwise not wait until the other
 * thread has published its extension.
 */
Test(race, awaited_thread_is_no_stranger)
{
    open_table();
    os_failing_meanwhile(extend_as_another);
    os_failing_at_look(publish_as_another);
    cr_assert(table_reach(&table, os_page_size() + 1));
    cr_assert_not(table_is_blocked(&table));
}

static bool reached_inside;
static bool blocked_inside;

static void reach_inside(void)
{
    reached_inside = table_reach(&table, os_page_size() + 1);
    blocked_inside = table_is_blocked(&table);
}

/* A signal handler interrupts its thread in the middle of extending the table, and needs the table to grow too. The
 * kernel refuses the handler's extension. The handler must not wait for the thread that it has interrupted. */
Test(race, handler_does_not_wait_for_its_own_thread, .timeout = 20)
{
    open_table();
    reached_inside = true;
    os_failing_afterwards(reach_inside);
    cr_assert(table_reach(&table, os_page_size() + 1));
    cr_assert_not(reached_inside);
    cr_assert_not(blocked_inside, "another thread that is refused now has to wait");
    cr_assert_eq(os_failing_waits(), 0U);
    cr_assert(table_reach(&table, 100000), "afterwards the table can grow");
}

/* A mapping behind the table that does not belong to the library, a stranger's, is never published. So the library must
 * not wait for that. */
Test(race, strangers_mapping_is_not_waited_for)
{
    open_table();
    cr_assert(os_claim(table.start + os_page_size(), os_page_size()));
    cr_assert_not(table_reach(&table, os_page_size() + 1));
    cr_assert_eq(os_failing_waits(), 0U);
}

/* --- in the child of a fork, where no other thread can publish anything --- */

/*
 * Runs in a child of a fork that came while the table was being extended. The child cannot tell whether the mapping
 * behind the table's end belongs to the library, so it does not use that mapping.
 */
static void reach_in_child(void *argument)
{
    (void)argument;
    table_after_fork(&table);
    CHECK(atomic_load(&table.ready) == os_page_size());
    CHECK(!table_reach(&table, os_page_size() + 1));
    CHECK(os_failing_waits() == 0);
    CHECK(table_try_hold(&table));
}

static void fork_after_extension(void)
{
    struct capture capture;
    capture_run(&capture, reach_in_child, NULL);
    crew_check(capture_is_clean(&capture), capture.words);
}

Test(race, child_does_not_use_an_unpublished_extension)
{
    open_table();
    os_failing_afterwards(fork_after_extension);
    cr_assert(table_reach(&table, os_page_size() + 1));
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

/* Runs while the table grows, and checks that no thread can hold the table then. To hold a table means to prevent its
 * growth, for example during a fork. */
static void find_it_growing(void)
{
    crew_check(!table_try_hold(&table), "the table must not be held while it grows");
}

Test(race, held_table_does_not_grow)
{
    open_table();
    os_failing_afterwards(find_it_growing);
    cr_assert(table_reach(&table, os_page_size() + 1));
    cr_assert_null(crew_fault(), "%s", crew_fault());
    cr_assert(table_hold(&table));
    cr_assert_not(table_try_hold(&table));
    size_t ready = atomic_load(&table.ready);
    cr_assert_not(table_reach(&table, ready + 1));
    cr_assert_eq(atomic_load(&table.ready), ready);
    table_release(&table);
    cr_assert(table_reach(&table, ready + 1));
}

static void find_stranger_in_child(void *argument)
{
    (void)argument;
    table_after_fork(&table);
    CHECK(atomic_load(&table.ready) == os_page_size());
    /* Changes the mapping behind the table's end to one that the library does not make, as if something else had been
     * mapped there while a thread of the parent was extending the table. */
    CHECK(mprotect(table.start + os_page_size(), os_page_size(), PROT_READ) == 0);
    atomic_store(&table.growing, 1);
    table_after_fork(&table);
    CHECK(atomic_load(&table.ready) == os_page_size());
}

Test(race, child_does_not_use_a_strangers_mapping)
{
    open_table();
    cr_assert(os_claim(table.start + os_page_size(), os_page_size()));
    capture_clean(find_stranger_in_child, NULL);
}

static void *faster[16];
static unsigned faster_count;

static void carve(void)
{
    faster_count = region_carve(B16K, 16, faster);
}

/* While one thread carves a run of 16 slots, another thread carves 16 slots, too. The two runs must not overlap. */
Test(race, runs_of_slots_do_not_overlap)
{
    void *slower[16];
    house_lay_default();
    os_failing_meanwhile(carve);
    cr_assert_eq(region_carve(B16K, 16, slower), 16);
    cr_assert_eq(faster_count, 16);
    cr_assert_eq(region_carved(B16K), 32);
    cr_assert_eq(faster[15], house_slot(B16K, 0));
    cr_assert_eq(slower[15], house_slot(B16K, 16));
}

/* Acts as the faster thread: carves all but three of the slots that fit into the range. The slower thread then gets
 * only these three. */
static void carve_most(void)
{
    uint32_t left = house_limit(B64K, SMALL_SHIFT) - 3;
    while (left > 0) {
        unsigned wanted = left < 16 ? left : 16;
        cr_assert_eq(region_carve(B64K, wanted, faster), wanted);
        left -= wanted;
    }
}

Test(race, last_slots_are_not_carved_twice)
{
    void *slower[16];
    struct bucket_settings settings = house_defaults();
    house_lay(&settings, SMALL_SHIFT);
    os_failing_meanwhile(carve_most);
    cr_assert_eq(region_carve(B64K, 16, slower), 3);
    cr_assert_eq(slower[0], house_slot(B64K, house_limit(B64K, SMALL_SHIFT) - 1));
    cr_assert_eq(region_carved(B64K), house_limit(B64K, SMALL_SHIFT));
}

static struct magazine *faster_magazine;

static void open_magazine(void)
{
    faster_magazine = magazine_open();
}

/* Opens magazines until the mapped part of the magazine table is full, so that the next one makes the table grow. */
static void open_all_magazines(void)
{
    os_failing_from(1);
    while (magazine_open() != NULL) {
    }
    os_failing_never();
}

Test(race, magazines_are_opened_once)
{
    house_lay_default();
    open_all_magazines();
    os_failing_meanwhile(open_magazine);
    struct magazine *slower = magazine_open();
    cr_assert(slower != NULL && faster_magazine != NULL && slower != faster_magazine);
}

static struct cache *faster_cache;

static void reach_cache(unsigned number)
{
    (void)number;
    faster_cache = cache_reach();
}

static void open_cache(void)
{
    crew_run(1, reach_cache);
}

/* Opens caches, which no thread uses, until the mapped part of the table of caches is full, so that the next one makes
 * the table grow. */
static void open_all_caches(void)
{
    os_failing_from(1);
    while (cache_reach() != &cache_shared) {
        cache_mine = &cache_none;
    }
    cache_mine = &cache_none;
    os_failing_never();
}

Test(race, caches_are_opened_once)
{
    house_lay_default();
    open_all_caches();
    uint32_t before = cache_count();
    os_failing_meanwhile(open_cache);
    struct cache *slower = cache_reach();
    cr_assert_neq(slower, faster_cache);
    cr_assert_neq(slower, &cache_shared);
    cr_assert_eq(cache_count(), before + 2);
}

static char *given;

static void give(void)
{
    house_give(given);
}

/* While one thread carves a new slot, another one frees a slot. The freed slot must not be lost: it serves the next
 * request. */
Test(race, slot_freed_while_another_is_carved)
{
    house_lay_default();
    given = house_take(B1M, 1 << 20, NULL);
    while (region_carved(B1M) % 8 != 0) { /* carves slots until the next slot makes the range grow */
        house_take(B1M, 1 << 20, NULL);
    }
    os_failing_meanwhile(give);
    char *slot = NULL;
    for (unsigned i = 0; i < 8 && slot_meta_state(region_meta(region_number(given))) == SLOT_LIVE; i++) {
        slot = house_take(B1M, 1 << 20, NULL);
    }
    cr_assert(slot != NULL && slot != given);
    house_assert();
    cr_assert_eq(house_take(B1M, 1 << 20, NULL), given);
    house_assert();
}
