/* Tests of pool/standard.c, the free list of SOCKMALLOC_POOL=standard: the list has at most a set number of slots, its
 * bound. Slots beyond the bound are purged, or kept if the kernel refuses to purge them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "pool/standard.h"
#include "support/house.h"
#include "support/os_failing.h"

enum { BUCKET = B16K, BOUND = 4, REQUEST = 9000, UNUSUAL = 4242 /* an errno that no call sets */ };

static void lay(void)
{
    os_failing_never();
    house_lay_default();
    standard_open(BOUND);
}

/* Returns the number by which the library names a slot. `ordinal` is the place of the slot in its bucket: 0 is the
 * first slot. */
static uint32_t number_of(uint32_t ordinal)
{
    return house_number(BUCKET, ordinal);
}

static void write_metadata(uint32_t ordinal, unsigned state)
{
    house_mark(house_slot(BUCKET, ordinal), state, REQUEST);
}

static unsigned read_state(uint32_t ordinal)
{
    return slot_meta_state(region_meta(number_of(ordinal)));
}

static void expect_taken(enum slots_source wanted, uint32_t number)
{
    enum slots_source source;
    void *slot = standard_take(BUCKET, &source);
    cr_assert_eq(source, wanted);
    cr_assert_eq(slot, house_slot(BUCKET, number));
    write_metadata(number, SLOT_LIVE);
}

/* Allocates the slots with the ordinals 0 to `count` - 1, and writes to each of them. */
static void take_new(uint32_t count)
{
    for (uint32_t number = 0; number < count; number++) {
        expect_taken(SLOTS_FROM_CARVED, number);
        memset(house_slot(BUCKET, number), 'x', REQUEST);
    }
}

/* Frees the slot with the ordinal `number` as the pool does: marks it as free in its metadata, and then gives it to the
 * list. */
static enum standard_verdict give(uint32_t number)
{
    write_metadata(number, SLOT_FREE);
    return standard_give(BUCKET, number_of(number));
}

static bool reads_as_zero(uint32_t number)
{
    const char *slot = house_slot(BUCKET, number);
    return slot[0] == 0 && memcmp(slot, slot + 1, REQUEST - 1) == 0;
}

Test(standard, last_in_is_first_out)
{
    lay();
    take_new(3);
    cr_assert_eq(standard_count(BUCKET), 0);
    for (uint32_t number = 0; number < 3; number++) {
        cr_assert_eq(give(number), STANDARD_KEPT);
        cr_assert_eq(standard_count(BUCKET), number + 1);
        cr_assert_eq(read_state(number), SLOT_FREE);
    }
    for (uint32_t number = 3; number-- > 0;) {
        expect_taken(SLOTS_FROM_FREE, number);
        cr_assert_eq(standard_count(BUCKET), number);
        cr_assert_eq(*(char *)house_slot(BUCKET, number), 'x', "the slot keeps its content");
    }
    expect_taken(SLOTS_FROM_CARVED, 3);
    cr_assert_eq(standard_count(BUCKET), 0);
}

Test(standard, slots_beyond_the_bound_are_purged)
{
    lay();
    take_new(BOUND + 3);
    for (uint32_t number = 0; number < BOUND; number++) {
        cr_assert_eq(give(number), STANDARD_KEPT);
    }
    os_failing_never(); /* sets the counts of calls to 0; no call fails */
    errno = UNUSUAL;
    for (uint32_t number = BOUND; number < BOUND + 2; number++) {
        cr_assert_eq(give(number), STANDARD_PURGED);
        cr_assert_eq(read_state(number), SLOT_PURGED);
        cr_assert(reads_as_zero(number));
    }
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(os_failing_calls(), 2, "one call for each of the two slots, and none for the others");
    cr_assert_eq(standard_count(BUCKET), BOUND);
    cr_assert_not(reads_as_zero(BOUND + 2), "the slot beside the purged ones keeps its pages");
    for (uint32_t number = BOUND; number-- > 0;) {
        expect_taken(SLOTS_FROM_FREE, number);
    }
    expect_taken(SLOTS_FROM_PURGED, BOUND + 1);
    expect_taken(SLOTS_FROM_PURGED, BOUND);
    cr_assert_eq(standard_count(BUCKET), 0, "purged slots are not on the list");
}

Test(standard, list_has_a_free_place_after_an_allocation)
{
    lay();
    take_new(BOUND + 1);
    for (uint32_t number = 0; number < BOUND; number++) {
        give(number);
    }
    expect_taken(SLOTS_FROM_FREE, BOUND - 1);
    cr_assert_eq(give(BOUND), STANDARD_KEPT);
    cr_assert_eq(give(BOUND - 1), STANDARD_PURGED);
}

Test(standard, list_may_have_a_bound_of_0)
{
    lay();
    standard_open(0);
    take_new(1);
    cr_assert_eq(give(0), STANDARD_PURGED);
    cr_assert_eq(standard_count(BUCKET), 0);
    expect_taken(SLOTS_FROM_PURGED, 0);
}

Test(standard, buckets_do_not_mix)
{
    enum slots_source source;
    lay();
    take_new(BOUND);
    for (uint32_t number = 0; number < BOUND; number++) {
        give(number);
    }
    standard_take(B8K, &source);
    cr_assert_eq(source, SLOTS_FROM_CARVED);
    cr_assert_eq(standard_give(B8K, house_number(B8K, 0)), STANDARD_KEPT, "another bucket has a list of its own");
    cr_assert_eq(standard_count(B8K), 1);
    cr_assert_eq(standard_count(BUCKET), BOUND);
}

Test(standard, full_range_returns_none)
{
    enum slots_source source;
    lay();
    for (uint32_t left = house_limit(B4M, HOUSE_SHIFT); left > 0; left--) {
        cr_assert_not_null(standard_take(B4M, &source));
    }
    cr_assert_null(standard_take(B4M, &source));
    cr_assert_eq(source, SLOTS_FROM_NONE);
    cr_assert_eq(standard_count(B4M), 0);
}

/* If the kernel refuses to purge a slot, the slot is put on the list, although the list is then longer than its bound.
 * Otherwise the slot would be lost. */
Test(standard, slot_that_the_kernel_refuses_is_kept)
{
    lay();
    take_new(BOUND + 2);
    for (uint32_t number = 0; number < BOUND; number++) {
        give(number);
    }
    os_failing_between(1, 1);
    cr_assert_eq(give(BOUND), STANDARD_KEPT);
    cr_assert_eq(os_failing_refusals(), 1);
    cr_assert_eq(standard_count(BUCKET), BOUND + 1);
    cr_assert_eq(read_state(BOUND), SLOT_FREE);
    cr_assert_not(reads_as_zero(BOUND));
    cr_assert_eq(give(BOUND + 1), STANDARD_PURGED, "the next slot is purged");
    expect_taken(SLOTS_FROM_FREE, BOUND);
    expect_taken(SLOTS_FROM_FREE, BOUND - 1);
    cr_assert_eq(standard_count(BUCKET), BOUND - 1);
}

Test(standard, slots_are_withdrawn_and_restored)
{
    lay();
    take_new(BOUND + 2);
    cr_assert_eq(standard_withdraw(BUCKET, false), STACK_EMPTY);
    cr_assert_eq(standard_count(BUCKET), 0);
    for (uint32_t number = 0; number < BOUND; number++) {
        give(number);
    }
    cr_assert_eq(standard_withdraw(BUCKET, false), number_of(BOUND - 1));
    cr_assert_eq(standard_count(BUCKET), BOUND - 1);
    for (uint32_t number = BOUND - 1; number < BOUND + 2; number++) {
        standard_restore(BUCKET, number_of(number), decay_young());
    }
    cr_assert_eq(standard_count(BUCKET), BOUND + 2, "a slot is put back however long the list is");
    for (uint32_t number = BOUND + 2; number-- > 0;) {
        expect_taken(SLOTS_FROM_FREE, number);
    }
}

Test(standard, withdraws_no_purged_slots)
{
    lay();
    standard_open(0);
    take_new(2);
    give(0);
    give(1);
    cr_assert_eq(standard_withdraw(BUCKET, false), STACK_EMPTY);
    expect_taken(SLOTS_FROM_PURGED, 1);
}

/*
 * A signal handler may fork after the interrupted thread has removed a slot from the list and before the thread has
 * lowered the list's count. The child sets the count to the number of slots that are left on the list. Then the
 * interrupted allocation goes on in the child and lowers the count, which becomes one too small. A count of -1 must
 * read as 0.
 */
Test(standard, count_that_is_too_small_by_one_reads_as_0)
{
    lay();
    take_new(1);
    give(0);
    standard_reset(BUCKET, 0);
    expect_taken(SLOTS_FROM_FREE, 0);
    cr_assert_eq(standard_count(BUCKET), 0);
    cr_assert_eq(give(0), STANDARD_KEPT);
    cr_assert_eq(standard_count(BUCKET), 0);
    expect_taken(SLOTS_FROM_FREE, 0);
}
