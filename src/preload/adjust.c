/*
 * Changes settings of the library while the program runs, when the command `sockmalloc` demands so by a queued signal.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "preload/adjust.h"

#include "base/clock.h"
#include "config/live_request.h"
#include "memory/region.h"
#include "route/route.h"

enum { CACHE_A_PROCESSOR = 16 << 20 }; /* SOCKMALLOC_CACHE=auto stands for this number of bytes for each processor */

static unsigned processor_count;

static uint64_t adjust_cache_limit(void)
{
    uint64_t limit = options.number[OPTION_CACHE];
    return limit != SETTING_NONE ? limit : (uint64_t)CACHE_A_PROCESSOR * processor_count;
}

/* Returns the limits for the pools, computed from the present settings. A decay time of 0 means that nothing may be
 * retained. */
static struct pool_limits adjust_limits(void)
{
    uint64_t milliseconds = options.number[OPTION_DECAY_MS];
    return (struct pool_limits){.cache = adjust_cache_limit(),
                                .retain = milliseconds != 0 ? options.number[OPTION_RETAIN] : 0,
                                .large = options.number[OPTION_LARGE_RETAIN],
                                .decay = milliseconds};
}

COLD struct pool_limits adjust_open(unsigned processors)
{
    processor_count = processors;
    return adjust_limits();
}

static void adjust_sample_small(uint64_t milliseconds)
{
    enum { NANOSECONDS_A_MILLISECOND = 1000000 };
    route_sample_small(milliseconds != 0 ? clock_now() + milliseconds * NANOSECONDS_A_MILLISECOND : 0);
}

/* Returns true if the setting may be changed now. SOCKMALLOC_CACHE is fixed if each processor has a cache: these caches
 * get their quotas only once, so a lower limit could not be met. */
static bool adjust_is_possible(enum option option)
{
    bool fixed = option == OPTION_CACHE && pool_kind() == KIND_CPU;
    return options.number[OPTION_CONTROL] != 0 && region_is_laid() && !fixed;
}

bool adjust_is_wanted(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && live_request_is_marked((uint64_t)(uintptr_t)info->si_value.sival_ptr);
}

void adjust_do(const siginfo_t *info)
{
    struct live_request request;
    if (!live_request_decode((uint64_t)(uintptr_t)info->si_value.sival_ptr, &request)) {
        return;
    }
    if (request.option == OPTION_SAMPLE_SMALL) {
        adjust_sample_small(request.number);
    } else if (adjust_is_possible(request.option) && option_change(request.option, request.number)) {
        const struct pool_limits limits = adjust_limits();
        pool_adjust(&limits);
    }
}
