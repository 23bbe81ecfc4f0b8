/* The in_use room: a record for every slot there can be, each its own, and a kernel that refuses.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <time.h>

#include "crew.h"
#include "house.h"
#include "in_use.h"
#include "os.h"
#include "os_failing.h"
#include "reserve.h"

enum { THREADS = 8, ROUNDS = 20000, STEP = 1024 /* slots whose records come at once, at least */ };

static struct bucket_plan plan;
static char *start;
static const char code[4]; /* any four places that a call might return to */

static void lay_at(unsigned shift)
{
    static bucket_line map[BUCKET_GRANULES];
    struct bucket_settings settings = house_defaults();
    bucket_plan_make(&plan, &settings, map);
    start = house_space(in_use_space(&plan, shift));
    cr_assert_not_null(start);
    in_use_lay(&plan, shift);
}

static void lay(void)
{
    lay_at(HOUSE_SHIFT);
}

/* Slots that the bucket's lane has room for. */
static uint32_t slots_of(unsigned bucket)
{
    return (uint32_t)(((size_t)1 << HOUSE_SHIFT) / plan.stride[bucket]);
}

static void expect_noted(unsigned bucket, uint32_t number, const void *caller, uint64_t taken_at)
{
    struct in_use found = in_use_find(bucket, number);
    cr_assert_eq(found.caller, caller, "slot %u of %s", number, plan.label[bucket]);
    cr_assert_eq(found.taken_at, taken_at, "slot %u of %s", number, plan.label[bucket]);
}

Test(in_use, nothing_is_kept_unless_it_was_laid)
{
    cr_assert_not(in_use_is_kept());
    expect_noted(0, 0, NULL, 0);
    cr_assert_not(in_use_note(0, 0, code));
    lay();
    cr_assert(in_use_is_kept());
}

Test(in_use, space_is_what_laying_takes)
{
    for (unsigned shift = 20; shift <= 36; shift += 4) {
        lay_at(shift);
        cr_assert_eq(in_use_space(&plan, shift) % os_page_size(), 0);
        cr_assert_eq((size_t)(reserve_cut(0) - start), in_use_space(&plan, shift));
    }
}

Test(in_use, first_and_last_slot_of_each_bucket_have_a_record)
{
    lay();
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        uint32_t last = slots_of(bucket) - 1;
        cr_assert(in_use_note_at(bucket, last, &code[1], 200 + bucket));
        cr_assert(in_use_note_at(bucket, 0, &code[0], 100 + bucket));
    }
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        expect_noted(bucket, 0, &code[0], 100 + bucket);
        expect_noted(bucket, slots_of(bucket) - 1, &code[1], 200 + bucket);
        expect_noted(bucket, 1, NULL, 0);
    }
}

/* Where there can't be a slot there is no record either, though the table ends with a whole page.
 */
Test(in_use, no_record_far_behind_the_last_slot)
{
    lay();
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        uint32_t beyond = slots_of(bucket) + (uint32_t)os_page_size();
        cr_assert_not(in_use_note(bucket, beyond, code));
        expect_noted(bucket, beyond, NULL, 0);
    }
}

Test(in_use, each_slot_has_its_own)
{
    lay();
    for (uint32_t number = 0; number < slots_of(B8K); number++) {
        cr_assert(in_use_note_at(B8K, number, &code[number % 4], number + 1));
    }
    for (uint32_t number = 0; number < slots_of(B8K); number++) {
        expect_noted(B8K, number, &code[number % 4], number + 1);
    }
    expect_noted(B4K, 0, NULL, 0);
    expect_noted(B16K, 0, NULL, 0);
}

Test(in_use, note_takes_the_place_of_the_last)
{
    lay();
    cr_assert(in_use_note_at(B4K, 7, &code[0], 1000));
    cr_assert(in_use_note_at(B4K, 7, &code[1], 900));
    expect_noted(B4K, 7, &code[1], 900);
    cr_assert(in_use_note_at(B4K, 7, NULL, 0));
    expect_noted(B4K, 7, NULL, 0);
}

static uint64_t clock_says(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

Test(in_use, time_is_the_coarse_clocks)
{
    uint64_t before = clock_says(CLOCK_MONOTONIC_COARSE);
    uint64_t now = in_use_now();
    cr_assert(before <= now && now <= clock_says(CLOCK_MONOTONIC_COARSE));
    while (in_use_now() == now) { /* it goes on */
    }
    cr_assert_gt(in_use_now(), now);
    lay();
    before = in_use_now();
    cr_assert(in_use_note(B4K, 3, code));
    uint64_t taken_at = in_use_find(B4K, 3).taken_at;
    cr_assert(before <= taken_at && taken_at <= in_use_now());
}

Test(in_use, nothing_is_noted_where_the_kernel_refuses)
{
    lay();
    cr_assert(in_use_note_at(B4K, 0, &code[0], 100));
    uint32_t far = 0;
    os_failing_from(1);
    while (in_use_note_at(B4K, far, &code[0], 100)) {
        far++;
    }
    cr_assert_geq(far, (uint32_t)STEP - 1 - (uint32_t)os_page_size() / 16);
    cr_assert_not(in_use_note(B4K, far, &code[1]));
    cr_assert_not(in_use_note(B8K, 0, &code[1]), "nor does another bucket have any");
    cr_assert_gt(os_failing_refusals(), 0U);
    expect_noted(B4K, far, NULL, 0);
    expect_noted(B8K, 0, NULL, 0);
    expect_noted(B4K, 0, &code[0], 100);
    os_failing_never();
    cr_assert(in_use_note_at(B4K, far, &code[1], 200));
    expect_noted(B4K, far, &code[1], 200);
    expect_noted(B4K, far - 1, &code[0], 100);
}

/* Each thread has every eighth slot, so that all share all pages, and all make the tables grow. */
static void note_every_eighth(unsigned number)
{
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        for (uint32_t slot = number; slot < slots_of(bucket); slot += THREADS) {
            CHECK(in_use_note_at(bucket, slot, &code[number % 4], slot + 1));
        }
    }
}

Test(in_use, threads_note_beside_each_other)
{
    lay();
    crew_run(THREADS, note_every_eighth);
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        for (uint32_t slot = 0; slot < slots_of(bucket); slot++) {
            expect_noted(bucket, slot, &code[slot % THREADS % 4], slot + 1);
        }
    }
}

/* One thread takes slots anew all the time, the others look: a word of one life or of another. */
static void note_or_look(unsigned number)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t slot = round % (2 * STEP);
        if (number == 0) {
            CHECK(in_use_note_at(B4K, slot, &code[round % 4], 1 + round % 4));
            continue;
        }
        struct in_use found = in_use_find(B4K, slot);
        CHECK(found.taken_at <= 4);
        CHECK(found.caller == NULL || (const char *)found.caller - code < 4);
    }
}

Test(in_use, who_reads_beside_finds_words_that_were_noted)
{
    lay();
    crew_run(THREADS, note_or_look);
}
