/* Reads the monotonic clock, by which the command measures and limits times. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/now.h"

#include <time.h>

uint64_t now_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t now_milliseconds(void)
{
    return now_nanoseconds() / 1000000;
}

double now_seconds(void)
{
    return (double)now_nanoseconds() / 1e9;
}
