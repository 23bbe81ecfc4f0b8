/* The clock room with a clock that stands still: linked in place of clock.c, a test moves it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CLOCK_STILL_H
#define SOCKMALLOC_TEST_CLOCK_STILL_H

#include <stdint.h>

/* Moves it on, for all threads. It begins an hour after its moment zero. */
void clock_still_advance(uint64_t milliseconds);

/* The same, until just before it would be so much later. */
void clock_still_advance_almost(uint64_t milliseconds);

#endif
