/* Reads the monotonic clock, by which the command measures and limits times. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_NOW_H
#define SOCKMALLOC_NOW_H

#include <stdint.h>

/*
 * These functions return the time since a moment before the command started, in the unit that their name says. Unlike
 * clock_now of the library, they do not use the coarse clock, so the time is exact to less than a microsecond.
 */
uint64_t now_nanoseconds(void);
uint64_t now_milliseconds(void);
double now_seconds(void);

#endif
