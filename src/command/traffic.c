/*
 * Counts all requests of a program, in calls and in bytes, to say how large a share of them the pools serve. There are
 * separate counts for the requests that the pools serve, and for the other requests: within, below and above the sizes
 * of the pools.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/traffic.h"

#include <stddef.h>

#include "base/bounds.h"

/* Returns the size, in bytes, that is assumed for each request that a step of the histogram counts: the average of the
 * two ends of the step. For the last step, which also counts all larger requests, this is 4 GiB. */
static uint64_t traffic_size(unsigned step)
{
    if (step == HISTOGRAM_STEPS - 1) {
        return (uint64_t)1 << HISTOGRAM_LAST_SHIFT;
    }
    uint64_t begin = step > 0 ? histogram_end(step - 1) : 0;
    return (begin + histogram_end(step)) / 2;
}

static void traffic_add_steps(struct traffic *traffic, const struct snapshot *now, const struct snapshot *former,
                              const struct bucket_plan *plan)
{
    unsigned first = histogram_step(plan->minimum);
    unsigned last = histogram_step(plan->maximum);
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        struct traffic_part *part = step < first ? &traffic->below : &traffic->above;
        if (step < first || step > last) {
            uint64_t before = former != NULL ? former->sizes.count[step] : 0;
            uint64_t calls = EXCESS(now->sizes.count[step], before);
            part->calls += calls;
            part->bytes += calls * traffic_size(step);
        }
    }
}

void traffic_add(struct traffic *traffic, const struct snapshot *now, const struct snapshot *former,
                 const struct bucket_plan *plan)
{
    static const struct snapshot_figures none;
    const struct snapshot_figures *before = former != NULL ? &former->total : &none;
    traffic->pools.calls += EXCESS(now->total.requests, before->requests);
    traffic->pools.bytes += EXCESS(now->total.asked, before->asked);
    traffic->fallen.calls += EXCESS(now->total.fell_through, before->fell_through);
    traffic->fallen.bytes += EXCESS(now->total.fell_through_asked, before->fell_through_asked);
    traffic_add_steps(traffic, now, former, plan);
}

uint64_t traffic_calls(const struct traffic *traffic)
{
    return traffic->pools.calls + traffic->fallen.calls + traffic->below.calls + traffic->above.calls;
}

uint64_t traffic_bytes(const struct traffic *traffic)
{
    return traffic->pools.bytes + traffic->fallen.bytes + traffic->below.bytes + traffic->above.bytes;
}
