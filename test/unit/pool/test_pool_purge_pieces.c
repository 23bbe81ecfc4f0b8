/* Tests of large slots, which are purged in pieces by the steps of decay (each step purges some of the old free slots):
 * how much one step purges, and where the next step continues. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "pool/pool.h"
#include "pool/pool_atfork.h"
#include "pool/pool_purge.h"
#include "pool/pool_sleep.h"
#include "support/advice.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"

/* A slot of the largest bucket, 4 MiB, is purged in PIECES pieces, each of PIECE bytes. */
enum { PAGE = 4096, PIECES = 8, PIECE = 128 * PAGE, SLOTS = 3, CALLS_MAX = 64, EVERYTHING = 1 << 30 };

/* The calls to purge that the simulated kernel has got: their number, and the range of each. */
static struct {
    unsigned calls;
    struct {
        char *start;
        size_t size;
    } call[CALLS_MAX];
    unsigned granted; /* how many calls the simulated kernel grants; it refuses all later ones */
} asked;

static char *taken[SLOTS];

static long note(char *start, size_t size, int advice)
{
    (void)advice;
    if (!region_owns(start)) {
        return ADVICE_TO_KERNEL;
    }
    if (CHECK(asked.calls < CALLS_MAX)) {
        asked.call[asked.calls].start = start;
        asked.call[asked.calls++].size = size;
    }
    return asked.calls <= asked.granted ? ADVICE_TO_KERNEL : -EINVAL;
}

/*
 * Allocates and frees `count` slots of the largest bucket, and makes them belong to the old generation of free slots.
 */
static void lay(unsigned count)
{
    advice_answer(note);
    house_pools.decay = 1000;
    house_lay_default();
    /* begins a new period of decay now, so that no tick (a free that reads the clock) finds slots due to be purged
     * during the test */
    decay_turn(clock_now());
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(B4M, house_plan.capacity[B4M], NULL);
        cr_assert_not_null(taken[i]);
        memset(taken[i], 'x', house_plan.capacity[B4M]);
    }
    for (unsigned i = count; i-- > 0;) {
        house_give(taken[i]);
    }
    decay_turn(decay.turned + decay.age);
    asked.calls = 0;
    asked.granted = CALLS_MAX;
}

static void expect_call(unsigned number, const char *start, size_t size)
{
    cr_assert_lt(number, asked.calls);
    cr_assert_eq(asked.call[number].start, start);
    cr_assert_eq(asked.call[number].size, size);
}

/* Checks how many calls to purge the library has made, and how many slots are purged as a whole. */
static void expect(unsigned calls, unsigned purged)
{
    cr_assert_null(crew_fault(), "%s", crew_fault());
    cr_assert_eq(asked.calls, calls);
    cr_assert_eq(house_metadata(B4M, SLOT_PURGED), purged);
    house_assert();
}

Test(pool_purge_pieces, step_is_one_piece)
{
    lay(2);
    for (unsigned step = 0; step < 2 * PIECES; step++) {
        unsigned piece = step % PIECES;
        cr_assert_eq(pool_has_unfinished(), piece > 0);
        cr_assert(pool_trim_step());
        expect_call(step, taken[step / PIECES] + piece * PIECE, PIECE);
        expect(step + 1, (step + 1) / PIECES);
    }
    cr_assert_not(pool_trim_step());
    cr_assert_not(pool_has_unfinished());
    for (unsigned slot = 0; slot < 2; slot++) {
        uint8_t was;
        char *again = house_take(B4M, 1 << 22, &was);
        cr_assert_eq(slot_meta_state(was), SLOT_PURGED);
        cr_assert(again[0] == 0 && memcmp(again, again + 1, house_plan.capacity[B4M] - 1) == 0);
    }
}

/*
 * One step of decay purges a piece of PIECE bytes of a large slot. A slot of 512 KiB, with its headroom, has one page
 * more than a piece, and a slot of 1 MiB one page more than two pieces. The extra page must not become a piece of its
 * own.
 */
Test(pool_purge_pieces, pieces_are_about_as_long_as_each_other)
{
    lay(0);
    char *slot = house_take(B512K, 1 << 19, NULL);
    house_give(slot);
    char *larger = house_take(B1M, 1 << 20, NULL);
    house_give(larger);
    decay_turn(decay.turned + decay.age);
    for (unsigned step = 0; step < 3; step++) {
        cr_assert(pool_trim_step());
    }
    expect_call(0, larger, PIECE);
    expect_call(1, larger + PIECE, PIECE + PAGE);
    expect_call(2, slot, PIECE + PAGE);
    cr_assert_eq(house_metadata(B512K, SLOT_PURGED), 1);
    cr_assert_eq(house_metadata(B1M, SLOT_PURGED), 1);
    house_assert();
}

Test(pool_purge_pieces, unfinished_slot_is_allocated_by_nobody)
{
    lay(1);
    cr_assert(pool_trim_step());
    cr_assert_neq(house_take(B4M, 1 << 22, NULL), taken[0]);
    cr_assert_eq(house_figures(B4M)->depot, 1);
    while (pool_trim_step()) {
    }
    expect(PIECES, 1);
    cr_assert_eq(house_take(B4M, 1 << 22, NULL), taken[0]);
}

static void step(unsigned number)
{
    (void)number;
    CHECK(pool_trim_step());
}

Test(pool_purge_pieces, thread_that_ends_leaves_its_slot_to_the_others)
{
    lay(1);
    crew_run(1, step);
    cr_assert(pool_has_unfinished());
    crew_run(1, step);
    cr_assert(pool_trim_step());
    expect(3, 0);
    expect_call(2, taken[0] + 2 * PIECE, PIECE);
}

Test(pool_purge_pieces, trim_finishes_the_slot_by_one_call)
{
    lay(2);
    size_t stride = house_plan.stride[B4M];
    cr_assert(pool_trim_step());
    cr_assert_eq(pool_trim(0), 0);
    cr_assert(pool_has_unfinished());
    cr_assert_eq(pool_trim(1), stride);
    expect_call(1, taken[0], stride);
    expect(2, 1);
    cr_assert_eq(pool_trim(EVERYTHING), stride);
    expect(3, 2);
}

Test(pool_purge_pieces, slot_that_the_kernel_keeps_stays_free)
{
    lay(1);
    cr_assert(pool_trim_step());
    asked.granted = 1;
    cr_assert(pool_trim_step(), "after a piece there may be more to purge");
    cr_assert_not(pool_has_unfinished());
    cr_assert_not(pool_trim_step());
    cr_assert_eq(house_metadata(B4M, SLOT_PURGED), 0);
    house_assert();
    uint8_t was;
    cr_assert_eq(house_take(B4M, 1 << 22, &was), taken[0]);
    cr_assert_eq(slot_meta_state(was), SLOT_FREE);
}

/* --- two slots at a time --- */

static bool interrupts;

/* Answers madvise in place of the kernel, and runs another step of decay within the call, as another thread or a signal
 * handler might do. */
static long step_meanwhile(char *start, size_t size, int advice)
{
    if (interrupts) {
        interrupts = false;
        CHECK(pool_trim_step());
    }
    return note(start, size, advice);
}

/* Only one slot can be left partly purged between two steps of decay. If two steps overlap and each leaves a slot
 * partly purged, the slot of the step that ends later goes back to the old generation, and is then purged from its
 * start. */
Test(pool_purge_pieces, second_unfinished_slot_goes_back_to_the_old_generation)
{
    lay(2);
    advice_answer(step_meanwhile);
    interrupts = true;
    cr_assert(pool_trim_step());
    expect(2, 0);
    cr_assert_eq(house_figures(B4M)->depot, 2);
    for (unsigned calls = 3; calls <= 1 + 2 * PIECES; calls++) {
        cr_assert(pool_trim_step());
        cr_assert_eq(asked.calls, calls);
    }
    cr_assert_not(pool_trim_step());
    expect(1 + 2 * PIECES, 2);
}

/* --- waits and forks --- */

/* A slot is due to be purged, and its first piece was purged before. The thread is about to wait for events. Before the
 * thread sleeps, it purges the remaining pieces of the slot. */
Test(pool_purge_pieces, wait_goes_on_with_the_slot)
{
    house_pools.decay = 1000;
    lay(1);
    decay.turned = clock_now() - decay.age;
    cr_assert(pool_trim_step());
    cr_assert_eq(pool_sleep_limit(POOL_SLEEP_NEVER, false), 0);
    for (unsigned i = 1; i < PIECES; i++) {
        cr_assert_eq(pool_sleep_step(), 0);
    }
    expect(PIECES, 1);
}

/* A free slot lies in the thread's own magazine. Because the decay time is 0, the slot is purged, piece by piece, when
 * the thread sleeps. */
Test(pool_purge_pieces, slot_in_a_magazine_goes_in_pieces)
{
    advice_answer(note);
    struct bucket_settings settings = house_defaults();
    settings.large = settings.maximum + 1;
    house_pools.decay = 0;
    house_lay(&settings, HOUSE_SHIFT);
    house_give(house_take(B4M, 1 << 22, NULL));
    char *slot = house_take(B4M, 1 << 22, NULL);
    house_give(slot);
    cr_assert_eq(house_figures(B4M)->cached, 1);
    asked.calls = 0;
    asked.granted = CALLS_MAX;
    cr_assert_eq(pool_sleep_limit(POOL_SLEEP_NEVER, false), 0);
    for (unsigned calls = 0; asked.calls < PIECES; calls = asked.calls) {
        cr_assert_eq(pool_sleep_step(), 0);
        cr_assert_leq(asked.calls, calls + 1);
    }
    for (unsigned piece = 0; piece < PIECES; piece++) {
        expect_call(piece, slot + piece * PIECE, PIECE);
    }
    cr_assert(slot[0] == 0 && memcmp(slot, slot + 1, house_plan.capacity[B4M] - 1) == 0);
    house_assert();
}

static void recover(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    CHECK(!pool_has_unfinished());
    house_check();
    CHECK(house_take(B4M, 1 << 22, NULL) == taken[0]);
    CHECK(house_take(B4M, 1 << 22, NULL) != taken[0]);
}

/* Runs in a second thread: opens a cache, so that the process has several threads with caches, and then forks. */
static void open_cache(unsigned number)
{
    (void)number;
    cache_reach();
    struct capture capture;
    capture_run(&capture, recover, NULL);
    CHECK(capture_is_clean(&capture));
}

/* The process has several threads when it forks, so the child drops all magazines and stacks, and finds the free slots
 * by their metadata. It must also find the slot of which only some pieces were purged before the fork. */
Test(pool_purge_pieces, child_of_threads_finds_the_slot)
{
    lay(1);
    cr_assert(pool_trim_step());
    crew_run(1, open_cache);
    cr_assert(pool_has_unfinished());
    house_assert();
}

static void finish(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    CHECK(pool_has_unfinished());
    for (unsigned i = 1; i < PIECES; i++) {
        CHECK(pool_trim_step());
    }
    CHECK(house_metadata(B4M, SLOT_PURGED) == 1);
    house_check();
}

Test(pool_purge_pieces, child_of_one_thread_goes_on)
{
    lay(1);
    cr_assert(pool_trim_step());
    capture_clean(finish, NULL);
    cr_assert(pool_has_unfinished());
}
