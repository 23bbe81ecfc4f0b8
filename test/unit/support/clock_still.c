/* Stands in for base/clock.c in a test: the clock stands still until the test moves it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/clock_still.h"

#include <stdatomic.h>

#include "base/clock.h"

#define MILLISECOND UINT64_C(1000000)

static _Atomic uint64_t moment = 3600 * 1000 * MILLISECOND;

uint64_t clock_now(void)
{
    return moment;
}

void clock_still_advance(uint64_t milliseconds)
{
    atomic_fetch_add(&moment, milliseconds * MILLISECOND);
}

void clock_still_advance_almost(uint64_t milliseconds)
{
    atomic_fetch_add(&moment, milliseconds * MILLISECOND - 1);
}
