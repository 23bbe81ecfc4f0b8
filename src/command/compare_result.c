/* Has the figures of a comparison: one value for each allocator and round, and their medians and ranges. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_result.h"

#include <math.h>
#include <stdlib.h>

#include "base/bounds.h"

/* In a comparison of more than one round, two medians that differ by fewer percent than this count as equal. */
enum { LEAST_PERCENT = 3 };

static const struct {
    const char *key;
    bool is_more_better;
    int least_percent;
} figures[] = {
#define COMPARE_FIGURE(name, key, more, least) {key, more, least},
    COMPARE_FIGURE_ROWS(COMPARE_FIGURE)
#undef COMPARE_FIGURE
};

const char *compare_figure_key(enum compare_figure figure)
{
    return figures[figure].key;
}

bool compare_figure_is_more_better(enum compare_figure figure)
{
    return figures[figure].is_more_better;
}

double compare_figure_least(enum compare_figure figure, int rounds)
{
    return (rounds > 1 ? LEAST_PERCENT : figures[figure].least_percent) / 100.0;
}

static int order(const void *one, const void *other)
{
    double left = *(const double *)one;
    double right = *(const double *)other;
    return (left > right) - (left < right);
}

/* Returns the median, the least and the greatest of the values. Sorts the values. */
static struct compare_spread spread(double *values, int count)
{
    if (count == 0 || isnan(values[0])) {
        return (struct compare_spread){NAN, NAN, NAN};
    }
    qsort(values, (size_t)count, sizeof *values, order);
    double upper = values[count / 2];
    double lower = values[(count - 1) / 2];
    return (struct compare_spread){.median = (lower + upper) / 2, .low = values[0], .high = values[count - 1]};
}

struct compare_spread compare_spread_of(const struct compare_allocator *allocator, enum compare_figure figure)
{
    double values[COMPARE_ROUNDS_MAX] = {0};
    for (int i = 0; i < allocator->rounds; i++) {
        values[i] = allocator->turns[i].figure[figure];
    }
    return spread(values, allocator->rounds);
}

double compare_curve_at(const struct compare_allocator *allocator, int step)
{
    double values[COMPARE_ROUNDS_MAX] = {0};
    for (int i = 0; i < allocator->rounds; i++) {
        values[i] = (double)allocator->turns[i].curve[step];
    }
    return spread(values, allocator->rounds).median;
}

int compare_curve_steps(const struct compare_result *result)
{
    return (int)((COMPARE_CURVE_BEFORE + result->late) * COMPARE_STEPS_A_SECOND) + 1;
}

double compare_curve_second(int step)
{
    return (double)step / COMPARE_STEPS_A_SECOND - COMPARE_CURVE_BEFORE;
}

double compare_curve_most(const struct compare_result *result)
{
    double most = 1;
    for (int i = 0; i < result->count; i++) {
        const struct compare_allocator *allocator = &result->allocators[i];
        for (int step = 0; !allocator->is_dropped && step < compare_curve_steps(result); step++) {
            double value = compare_curve_at(allocator, step);
            most = GREATER(most, value);
        }
    }
    return most;
}
