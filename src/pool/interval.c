/* Statistics every so many seconds, written by whichever thread comes by then. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/interval.h"

#include "base/clock.h"
#include "os/sandbox.h"

static const uint64_t nanoseconds_a_second = 1000000000;

struct interval interval;

void interval_open(uint64_t seconds, interval_work *work)
{
    interval.work = work;
    interval.length = seconds * nanoseconds_a_second;
    atomic_store_explicit(&interval.next, clock_now() + interval.length, memory_order_relaxed);
}

/* By sign: another thread may have moved it on since the caller read the clock. What was missed
 * while nobody came by is not made up for. */
COLD void interval_come(uint64_t now)
{
    uint64_t next = atomic_load_explicit(&interval.next, memory_order_relaxed);
    if ((int64_t)(now - next) >= 0 &&
        atomic_compare_exchange_strong_explicit(&interval.next, &next, now + interval.length, memory_order_relaxed,
                                                memory_order_relaxed) &&
        sandbox_allows(SANDBOX_COMMON)) {
        interval.work();
    }
}
