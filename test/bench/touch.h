/* Writes to buffers that the workloads allocate, as a program would do. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_TOUCH_H
#define BENCH_TOUCH_H

#include <stddef.h>

enum { PAGE = 4096 };

/*
 * Writes to the first byte of the buffer. The write is volatile, because the compiler would otherwise remove a write to
 * a buffer that is freed at once. A NULL is not tested for: if there is no memory, the program crashes here, and
 * scripts/bench reports that.
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
