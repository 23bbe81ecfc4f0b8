/*
 * Tests of pool/histogram.c, in which each step counts the requests of a range of sizes: every size belongs to exactly
 * one step, and there are sixteen steps from each power of two to the next.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "pool/histogram.h"

Test(histogram, steps_meet_without_a_gap)
{
    for (unsigned step = histogram_step(32); step < HISTOGRAM_STEPS; step++) {
        size_t end = histogram_end(step);
        cr_assert_eq(histogram_step(end), step, "%zu", end);
        if (step + 1 < HISTOGRAM_STEPS) {
            cr_assert_eq(histogram_step(end + 1), step + 1, "%zu", end + 1);
        }
    }
    cr_assert_eq(histogram_end(HISTOGRAM_STEPS - 1), UINT64_C(1) << 32);
}

Test(histogram, has_sixteen_steps_in_each_doubling)
{
    for (size_t power = 32; power < UINT64_C(1) << 32; power *= 2) {
        cr_assert_eq(histogram_end(histogram_step(power)), power);
        cr_assert_eq(histogram_step(2 * power) - histogram_step(power), 16);
        cr_assert_eq(histogram_end(histogram_step(power + 1)), power + power / 16);
    }
}

Test(histogram, first_and_last_step_count_all_beyond)
{
    cr_assert_eq(histogram_step(0), 0);
    cr_assert_eq(histogram_step(1), 0);
    cr_assert_eq(histogram_step(17), 0);
    cr_assert_eq(histogram_step(18), 1);
    cr_assert_eq(histogram_step((UINT64_C(1) << 32) + 1), HISTOGRAM_STEPS - 1);
    cr_assert_eq(histogram_step(SIZE_MAX), HISTOGRAM_STEPS - 1);
}

Test(histogram, adds_by_weight)
{
    static struct histogram_figures figures;
    histogram_add(16390, 1021);
    histogram_add(16390, 3);
    histogram_add(5000, 1);
    histogram_read(&figures);
    cr_assert_eq(figures.count[histogram_step(16390)], 1024);
    cr_assert_eq(figures.count[histogram_step(5000)], 1);
    cr_assert_eq(figures.sum, 1024 * 16390 + 5000);
    histogram_reset();
    histogram_read(&figures);
    cr_assert_eq(figures.sum, 0);
    cr_assert_eq(figures.count[histogram_step(16390)], 0);
}
