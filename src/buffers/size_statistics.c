/* Counts sizes in bytes, such as those of messages: how many were counted, their sum, and a histogram with eight
 * steps for each doubling of the size. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/size_statistics.h"

void size_statistics_sum(struct size_figures *sum, const struct size_statistics *statistics)
{
    sum->bytes += counter_read(&statistics->bytes);
    for (unsigned step = 0; step < SIZE_STEPS; step++) {
        uint64_t count = counter_read(&statistics->step[step]);
        sum->step[step] += count;
        sum->count += count;
    }
}

size_t size_figures_quantile(const struct size_figures *figures, unsigned parts)
{
    if (figures->count == 0) {
        return 0;
    }
    uint64_t below = 0;
    unsigned step = 0;
    while (step < SIZE_STEPS - 1 && (below += figures->step[step]) * 1000 < figures->count * parts) {
        step++;
    }
    return size_step_end(step);
}
