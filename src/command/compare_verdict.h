/* Judges a comparison: says in a few sentences where sockmalloc differs from the other allocators. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_VERDICT_H
#define SOCKMALLOC_COMPARE_VERDICT_H

#include "base/text.h"
#include "command/compare_result.h"

enum compare_relation { COMPARE_SAME, COMPARE_BETTER, COMPARE_WORSE };

/*
 * Returns how a figure of sockmalloc relates to the figure of another allocator, and stores the ratio of the medians.
 * The result is COMPARE_SAME unless two conditions hold. First, the ranges of the rounds do not overlap. Second, the
 * medians differ by 3 percent, or by more if there is one round only (COMPARE_FIGURE_ROWS). Figures of memory must
 * differ by 2 MiB as well.
 */
enum compare_relation compare_relate(const struct compare_result *result, enum compare_figure figure, int other,
                                     double *ratio);

/* Writes the verdict: in which figures sockmalloc is better than other allocators, how much memory the server holds
 * after the burst of load, and in which figures sockmalloc is worse. */
void compare_verdict(const struct compare_result *result, struct text *text);

#endif
