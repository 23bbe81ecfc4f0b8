/* Judges a comparison: says in a few sentences where sockmalloc differs from the other allocators. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_verdict.h"

#include <math.h>
#include <stdio.h>

#include "base/bounds.h"

static const double LEAST_MEBIBYTES = 2;
/* If a burst of load raises the server's memory by less than this, the verdict does not say if memory comes back. */
static const double LEAST_BURST_MEBIBYTES = 8;
/* The memory that a burst of load has added counts as given back if at least this part of it is gone some seconds after
 * the burst, when the memory is measured last. */
static const double BACK_SHARE = 0.7;

/* A set of allocators: bit i stands for allocator i. */
typedef unsigned peer_set;

static const struct compare_allocator *ours_of(const struct compare_result *result)
{
    return &result->allocators[result->count - 1];
}

enum compare_relation compare_relate(const struct compare_result *result, enum compare_figure figure, int other,
                                     double *ratio)
{
    struct compare_spread ours = compare_spread_of(ours_of(result), figure);
    struct compare_spread theirs = compare_spread_of(&result->allocators[other], figure);
    double least = compare_figure_least(figure, result->rounds);
    bool is_memory = figure >= COMPARE_START;
    *ratio = theirs.median > 0 ? ours.median / theirs.median : 1;
    /* also true if a figure is NAN, which means unknown */
    bool overlaps = !(ours.low > theirs.high || ours.high < theirs.low);
    if (overlaps || fabs(*ratio - 1) < least || (is_memory && fabs(ours.median - theirs.median) < LEAST_MEBIBYTES)) {
        return COMPARE_SAME;
    }
    return (*ratio > 1) == compare_figure_is_more_better(figure) ? COMPARE_BETTER : COMPARE_WORSE;
}

/* Returns those other allocators to which sockmalloc has the relation `relation` in a figure. */
static peer_set find_peers(const struct compare_result *result, enum compare_figure figure,
                           enum compare_relation relation)
{
    peer_set set = 0;
    double ratio;
    for (int i = 0; i + 1 < result->count; i++) {
        if (!result->allocators[i].is_dropped && compare_relate(result, figure, i, &ratio) == relation) {
            set |= 1U << i;
        }
    }
    return set;
}

/*
 * Writes what stands before a word of a list: nothing, a comma or "and". `before` and `after` are the allocators that
 * the list names before and after the word.
 */
static void separate(struct text *text, peer_set before, peer_set after)
{
    text_add(text, "%s", before == 0 ? "" : after == 0 ? " and " : ", ");
}

static peer_set above(peer_set set, int number)
{
    return set & ~((2U << number) - 1);
}

static peer_set below(peer_set set, int number)
{
    return set & ((1U << number) - 1);
}

static void list_peers(const struct compare_result *result, peer_set set, struct text *text)
{
    for (int i = 0; i < result->count; i++) {
        if ((set >> i & 1) != 0) {
            separate(text, below(set, i), above(set, i));
            text_add(text, "%s", result->allocators[i].peer.name);
        }
    }
}

/* Lists the allocators of a set, each with the difference in percent: "glibc (8 %) and jemalloc (26 %)". */
static void list_differences(const struct compare_result *result, enum compare_figure figure, peer_set set,
                             struct text *text)
{
    double ratio;
    for (int i = 0; i < result->count; i++) {
        if ((set >> i & 1) != 0) {
            compare_relate(result, figure, i, &ratio);
            separate(text, below(set, i), above(set, i));
            text_add(text, "%s (%u %%)", result->allocators[i].peer.name, (unsigned)(fabs(ratio - 1) * 100 + 0.5));
        }
    }
}

/* The figures for which the verdict says if sockmalloc is better or worse, each with its name and a verb. The verdict
 * has another sentence on the memory that comes back after a burst of load. */
static const struct {
    enum compare_figure figure;
    const char *name;
} named[] = {{COMPARE_RATE, "requests a second are"},
             {COMPARE_CPU, "CPU a request is"},
             {COMPARE_P99, "the p99 is"},
             {COMPARE_LOAD_SECONDS, "the time of the load is"},
             {COMPARE_LOAD_CPU, "CPU of the load is"},
             {COMPARE_PEAK, "the peak of memory is"}};

enum { NAMED = sizeof named / sizeof named[0] };

/*
 * Returns true if the verdict leaves a figure out. It leaves out the seconds and the CPU of the whole load if the rate
 * of requests is known, because the figures per request then say the same.
 */
static bool is_redundant(const struct compare_result *result, enum compare_figure figure)
{
    bool by_request = !isnan(compare_spread_of(ours_of(result), COMPARE_RATE).median);
    return by_request && (figure == COMPARE_LOAD_SECONDS || figure == COMPARE_LOAD_CPU);
}

/*
 * Writes `before`, and then the figures in which sockmalloc has the relation `relation` to other allocators, with "; "
 * between them: "CPU a request is less than with glibc (8 %)". Writes nothing and returns false if there is no such
 * figure.
 */
static bool list_figures(const struct compare_result *result, enum compare_relation relation, const char *before,
                         struct text *text)
{
    bool has_any = false;
    for (int i = 0; i < NAMED; i++) {
        peer_set set = find_peers(result, named[i].figure, relation);
        if (set != 0 && !is_redundant(result, named[i].figure)) {
            bool is_more = compare_figure_is_more_better(named[i].figure) == (relation == COMPARE_BETTER);
            text_add(text, "%s%s %s than with ", has_any ? "; " : before, named[i].name, is_more ? "more" : "less");
            list_differences(result, named[i].figure, set, text);
            has_any = true;
        }
    }
    return has_any;
}

/* Returns true if no other allocator differs from sockmalloc in a figure of speed or CPU. */
static bool is_as_fast(const struct compare_result *result)
{
    for (int i = 0; i < NAMED; i++) {
        bool is_memory = named[i].figure == COMPARE_PEAK;
        if (!is_memory && !is_redundant(result, named[i].figure) &&
            (find_peers(result, named[i].figure, COMPARE_BETTER) |
             find_peers(result, named[i].figure, COMPARE_WORSE)) != 0) {
            return false;
        }
    }
    return true;
}

/* Adds a number of MiB, with one decimal if it is below 100, and otherwise without decimals. */
static void add_mebibytes(struct text *text, double value)
{
    char number[32];
    snprintf(number, sizeof number, value < 99.95 ? "%.1f" : "%.0f", value);
    text_add(text, "%s", number);
}

/* Lists the allocators of a set, each with the median of the server's memory some seconds after the burst of load
 * (COMPARE_LATE): "glibc 126 and jemalloc 261 MiB". */
static void list_late(const struct compare_result *result, peer_set set, struct text *text)
{
    for (int i = 0; i < result->count; i++) {
        if ((set >> i & 1) != 0) {
            separate(text, below(set, i), above(set, i));
            text_add(text, "%s ", result->allocators[i].peer.name);
            add_mebibytes(text, compare_spread_of(&result->allocators[i], COMPARE_LATE).median);
        }
    }
    text_add(text, " MiB");
}

/* Returns by how many MiB the burst of load has raised the server's memory, under the allocator where it rose most. */
static double find_burst(const struct compare_result *result)
{
    double most = 0;
    for (int i = 0; i < result->count; i++) {
        const struct compare_allocator *allocator = &result->allocators[i];
        if (!allocator->is_dropped) {
            double rise =
                compare_spread_of(allocator, COMPARE_PEAK).median - compare_spread_of(allocator, COMPARE_STEADY).median;
            most = GREATER(most, rise);
        }
    }
    return most;
}

static void judge_memory(const struct compare_result *result, struct text *text)
{
    double steady = compare_spread_of(ours_of(result), COMPARE_STEADY).median;
    double peak = compare_spread_of(ours_of(result), COMPARE_PEAK).median;
    double late = compare_spread_of(ours_of(result), COMPARE_LATE).median;
    double burst = find_burst(result);
    peer_set better = find_peers(result, COMPARE_LATE, COMPARE_BETTER);
    peer_set same = find_peers(result, COMPARE_LATE, COMPARE_SAME);
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%g", result->late);
    if (burst < LEAST_BURST_MEBIBYTES) {
        text_add(text, "the load raised the server's memory by ");
        add_mebibytes(text, burst);
        text_add(text, " MiB at most, too little to see how much comes back; %s s after it the server holds ", seconds);
        add_mebibytes(text, late);
        text_add(text, " MiB");
    } else {
        text_add(text,
                 peak - late >= BACK_SHARE * (peak - steady) ? "%s s after the burst memory is back at "
                                                             : "%s s after the burst the server still holds ",
                 seconds);
        add_mebibytes(text, late);
        text_add(text, " of ");
        add_mebibytes(text, peak);
        text_add(text, " MiB");
    }
    if (same != 0) {
        text_add(text, ", as with ");
        list_peers(result, same, text);
    }
    if (better != 0) {
        text_add(text, ", where others keep more: ");
        list_late(result, better, text);
    }
}

/* Writes the figures in which sockmalloc is worse than another allocator. */
static void judge_against(const struct compare_result *result, struct text *text)
{
    peer_set worse = find_peers(result, COMPARE_LATE, COMPARE_WORSE);
    bool has_any = list_figures(result, COMPARE_WORSE, " Against it: ", text);
    if (worse != 0) {
        text_add(text, "%s", has_any ? "; " : " Against it: ");
        text_add(text, "others hold less then: ");
        list_late(result, worse, text);
        has_any = true;
    }
    text_add(text, has_any ? "." : " No figure is against it.");
}

void compare_verdict(const struct compare_result *result, struct text *text)
{
    text_add(text, "sockmalloc: ");
    if (is_as_fast(result)) {
        text_add(text, "no difference in speed or CPU; ");
    }
    if (list_figures(result, COMPARE_BETTER, "", text)) {
        text_add(text, "; ");
    }
    judge_memory(result, text);
    text_add(text, ".");
    judge_against(result, text);
}
