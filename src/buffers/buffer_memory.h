/* Maps memory for the buffers of programs that know of the library, at addresses of a chosen alignment. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUFFER_MEMORY_H
#define SOCKMALLOC_BUFFER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Maps whole pages that the kernel has cleared: `size` bytes, rounded up to pages, at a multiple of `alignment`.
 * `alignment` is a power of two; a smaller one than the page size counts as the page size. Returns NULL if the kernel
 * refuses, or if the sum of both is too large; errno is kept. Any thread and any signal handler may call the function.
 * Price: one mmap, and up to two munmap if the alignment is larger than a page.
 */
char *buffer_map(size_t size, size_t alignment);

/*
 * Unmaps what buffer_map returned for `size`. Returns false if the kernel refuses, which happens only if the process
 * has as many mappings as it may have; the memory is then still mapped, and its pages are purged.
 */
bool buffer_unmap(char *start, size_t size);

#endif
