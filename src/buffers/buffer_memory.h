/* Maps and unmaps memory at addresses of a chosen alignment, for the buffers of programs that call the library's own
 * functions. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUFFER_MEMORY_H
#define SOCKMALLOC_BUFFER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* the size in bytes of the name that a message object or a ring has in statistics, with the final NUL */
enum { BUFFER_NAME_SIZE = 32 };

/* Returns true if the name is shorter than BUFFER_NAME_SIZE, or NULL, which stands for no name. */
static inline bool buffer_name_fits(const char *name)
{
    return name == NULL || strlen(name) < BUFFER_NAME_SIZE;
}

/* Copies a name that fits (buffer_name_fits) into `to`, whose bytes must be 0 before. NULL counts as an empty name. */
static inline void buffer_name_copy(char to[BUFFER_NAME_SIZE], const char *name)
{
    strncpy(to, name != NULL ? name : "", BUFFER_NAME_SIZE - 1);
}

/*
 * Maps `size` bytes, rounded up to whole pages, at a multiple of `alignment`. The pages read as zero. `alignment` is a
 * power of two; a smaller one than a page counts as a page. Returns NULL if the kernel refuses, or if size and
 * alignment together are too large. Does not change errno. Any thread and any signal handler may call the function.
 * Price: one mmap, and up to two munmap if the alignment is larger than a page.
 */
char *buffer_map(size_t size, size_t alignment);

/*
 * Unmaps the `size` bytes that buffer_map has mapped at `start`. Returns false if the kernel refuses, which happens
 * only if the process has as many mappings as it may have; the memory is then still mapped, and its pages are purged.
 */
bool buffer_unmap(char *start, size_t size);

#endif
