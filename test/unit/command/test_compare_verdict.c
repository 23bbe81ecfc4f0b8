/* Tests of command/compare_result.c and compare_verdict.c: medians and ranges of figures, and the sentence that sums
 * them up. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command/compare_verdict.h"

enum { ROUNDS = 3, ALLOCATORS = 3 };

static struct compare_turn turns[ALLOCATORS][ROUNDS];
static struct compare_result result;

/* Sets a figure of this allocator for its three rounds: `value` in one round, `value` + `spread` in another, and
 * `value` - `spread` in the third. */
static void set(int allocator, enum compare_figure figure, double value, double spread)
{
    static const double sides[ROUNDS] = {1, -1, 0};
    for (int i = 0; i < ROUNDS; i++) {
        turns[allocator][i].figure[figure] = value + sides[i] * spread;
    }
}

/* Opens a comparison of glibc, jemalloc and sockmalloc, in which all three have equal figures. */
static void open_result(void)
{
    static const char *const names[ALLOCATORS] = {"glibc", "jemalloc", "sockmalloc"};
    result = (struct compare_result){.rounds = ROUNDS, .late = 10, .soon = 1, .count = ALLOCATORS};
    for (int i = 0; i < ALLOCATORS; i++) {
        snprintf(result.allocators[i].peer.name, COMPARE_NAME_SIZE, "%s", names[i]);
        result.allocators[i].turns = turns[i];
        result.allocators[i].rounds = ROUNDS;
        set(i, COMPARE_RATE, 1000, 10);
        set(i, COMPARE_CPU, 50, 1);
        set(i, COMPARE_P99, 2, 0.1);
        set(i, COMPARE_LOAD_SECONDS, 5, 0);
        set(i, COMPARE_LOAD_CPU, 2, 0.1);
        set(i, COMPARE_STEADY, 10, 0);
        set(i, COMPARE_PEAK, 300, 5);
        set(i, COMPARE_LATE, 12, 1);
    }
}

static void assert_verdict(const char *expected)
{
    char buffer[2048];
    struct text text = text_begin(buffer, sizeof buffer);
    compare_verdict(&result, &text);
    cr_assert_str_eq(buffer, expected);
}

TestSuite(compare_verdict, .init = open_result);

Test(compare_verdict, medians_and_ranges)
{
    set(0, COMPARE_CPU, 50, 4);
    struct compare_spread spread = compare_spread_of(&result.allocators[0], COMPARE_CPU);
    cr_assert_eq(spread.median, 50);
    cr_assert_eq(spread.low, 46);
    cr_assert_eq(spread.high, 54);
    result.allocators[0].rounds = 2;
    cr_assert_eq(compare_spread_of(&result.allocators[0], COMPARE_CPU).median, 50, "the mean of 54 and 46");
    set(0, COMPARE_CPU, NAN, 0);
    cr_assert(isnan(compare_spread_of(&result.allocators[0], COMPARE_CPU).median));
}

Test(compare_verdict, no_difference)
{
    assert_verdict(
        "sockmalloc: no difference in speed or CPU; 10 s after the burst memory is back at 12.0 of 300 MiB, as "
        "with glibc and jemalloc. No figure is against it.");
}

Test(compare_verdict, ranges_that_overlap_are_no_difference)
{
    double ratio;
    /* the range of the first allocator, 50.5 to 69.5, now overlaps that of sockmalloc, 49 to 51 */
    set(0, COMPARE_CPU, 60, 9.5);
    cr_assert_eq(compare_relate(&result, COMPARE_CPU, 0, &ratio), COMPARE_SAME);
    set(0, COMPARE_CPU, 60, 8.5);
    cr_assert_eq(compare_relate(&result, COMPARE_CPU, 0, &ratio), COMPARE_BETTER);
    cr_assert_float_eq(ratio, 50.0 / 60, 0.001);
    set(0, COMPARE_CPU, 47, 1);
    cr_assert_eq(compare_relate(&result, COMPARE_CPU, 0, &ratio), COMPARE_WORSE);
    set(0, COMPARE_RATE, 900, 1);
    cr_assert_eq(compare_relate(&result, COMPARE_RATE, 0, &ratio), COMPARE_BETTER, "more requests are better");
}

Test(compare_verdict, small_differences_are_none)
{
    double ratio;
    set(0, COMPARE_CPU, 51, 0);
    set(2, COMPARE_CPU, 50, 0);
    cr_assert_eq(compare_relate(&result, COMPARE_CPU, 0, &ratio), COMPARE_SAME, "2 percent");
    set(0, COMPARE_CPU, 54, 0);
    cr_assert_eq(compare_relate(&result, COMPARE_CPU, 0, &ratio), COMPARE_BETTER, "7 percent");
    result.rounds = 1;
    cr_assert_eq(compare_relate(&result, COMPARE_CPU, 0, &ratio), COMPARE_SAME, "7 percent in one round");
    set(0, COMPARE_LATE, 13.5, 0);
    set(2, COMPARE_LATE, 12, 0);
    cr_assert_eq(compare_relate(&result, COMPARE_LATE, 0, &ratio), COMPARE_SAME, "1.5 MiB");
}

Test(compare_verdict, memory_that_others_keep)
{
    set(0, COMPARE_LATE, 205, 1);
    set(1, COMPARE_LATE, 317, 1);
    assert_verdict("sockmalloc: no difference in speed or CPU; 10 s after the burst memory is back at 12.0 of 300 MiB, "
                   "where others keep more: glibc 205 and jemalloc 317 MiB. No figure is against it.");
}

Test(compare_verdict, what_is_against_it)
{
    set(0, COMPARE_CPU, 40, 1);
    set(1, COMPARE_RATE, 2000, 1);
    set(2, COMPARE_LATE, 250, 1);
    set(1, COMPARE_LATE, 250, 1);
    set(0, COMPARE_PEAK, 200, 1);
    assert_verdict(
        "sockmalloc: 10 s after the burst the server still holds 250 of 300 MiB, as with jemalloc. Against it: "
        "requests a second are less than with jemalloc (50 %); CPU a request is more than with glibc (25 %); "
        "the peak of memory is more than with glibc (50 %); others hold less then: glibc 12.0 MiB.");
}

Test(compare_verdict, a_load_that_does_not_count_its_requests)
{
    for (int i = 0; i < ALLOCATORS; i++) {
        set(i, COMPARE_RATE, NAN, 0);
        set(i, COMPARE_CPU, NAN, 0);
        set(i, COMPARE_P99, NAN, 0);
    }
    set(0, COMPARE_LOAD_CPU, 3, 0.1);
    assert_verdict(
        "sockmalloc: CPU of the load is less than with glibc (33 %); 10 s after the burst memory is back at 12.0 "
        "of 300 MiB, as with glibc and jemalloc. No figure is against it.");
}

Test(compare_verdict, a_burst_too_small_to_judge)
{
    for (int i = 0; i < ALLOCATORS; i++) {
        set(i, COMPARE_PEAK, 13, 0);
    }
    assert_verdict(
        "sockmalloc: no difference in speed or CPU; the load raised the server's memory by 3.0 MiB at most, too "
        "little to see how much comes back; 10 s after it the server holds 12.0 MiB, as with glibc and "
        "jemalloc. No figure is against it.");
}

Test(compare_verdict, an_allocator_that_was_left_out)
{
    set(0, COMPARE_LATE, 205, 1);
    result.allocators[0].is_dropped = true;
    assert_verdict(
        "sockmalloc: no difference in speed or CPU; 10 s after the burst memory is back at 12.0 of 300 MiB, as "
        "with jemalloc. No figure is against it.");
}

Test(compare_verdict, the_curve_is_the_median_of_the_rounds)
{
    for (int i = 0; i < ROUNDS; i++) {
        turns[0][i].curve[30] = (float)(10 * i + 5);
    }
    cr_assert_float_eq(compare_curve_at(&result.allocators[0], 30), 15, 0.001);
    cr_assert_eq(compare_curve_steps(&result), 121);
    cr_assert_float_eq(compare_curve_second(0), -2, 0.001);
    cr_assert_float_eq(compare_curve_second(120), 10, 0.001);
    cr_assert_float_eq(compare_curve_most(&result), 15, 0.001);
}
