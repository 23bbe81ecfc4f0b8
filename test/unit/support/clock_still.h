/* Stands in for base/clock.c in a test: the clock stands still until the test moves it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CLOCK_STILL_H
#define SOCKMALLOC_TEST_CLOCK_STILL_H

#include <stdint.h>

/* Moves the clock on by `milliseconds`, for all threads. Before the first call the clock shows one hour. */
void clock_still_advance(uint64_t milliseconds);

/* Moves the clock on by `milliseconds` less one nanosecond. */
void clock_still_advance_almost(uint64_t milliseconds);

#endif
