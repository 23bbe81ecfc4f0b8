/* Writes to the buffers that the workloads allocate, as a program would. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_TOUCH_H
#define BENCH_TOUCH_H

#include <stddef.h>

enum { PAGE = 4096 };

/*
 * Writes the first byte of the buffer. The write is volatile, because otherwise the compiler would remove a write to a
 * buffer that is freed at once. There is no test for NULL: without memory the program crashes here, and the driver
 * reports that.
 */
static inline void touch_first(void *buffer)
{
    *(volatile char *)buffer = 1;
}

/* Writes one byte in each page of the buffer, as the kernel does when it fills a server's buffer. */
static inline void touch_pages(void *buffer, size_t size)
{
    for (size_t offset = 0; offset < size; offset += PAGE)
        ((volatile char *)buffer)[offset] = 1;
}

#endif
