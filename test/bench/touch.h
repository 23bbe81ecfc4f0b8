/* How the workloads use what they were given. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_TOUCH_H
#define BENCH_TOUCH_H

#include <stddef.h>

enum { PAGE = 4096 };

/* Writes the first byte. Volatile: the compiler knows that nobody reads what is freed right after.
 * No test for NULL: a machine without memory ends the program here, and the driver says so. */
static inline void touch_first(void *buffer)
{
    *(volatile char *)buffer = 1;
}

/* Writes one byte in each page, as a server does whose buffer is filled by the kernel. */
static inline void touch_pages(void *buffer, size_t size)
{
    for (size_t offset = 0; offset < size; offset += PAGE)
        ((volatile char *)buffer)[offset] = 1;
}

#endif
