/* Maps and unmaps memory at addresses of a chosen alignment, for the buffers of programs that call the library's own
 * functions. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/buffer_memory.h"

#include <stdint.h>

#include "os/os.h"

/* Unmaps a part of a mapping that is not needed; does nothing if `size` is 0. If the kernel refuses, the part stays
 * mapped and is never touched, so it costs addresses but no memory. */
static void buffer_cut(char *start, size_t size)
{
    if (size > 0) {
        os_release(start, size);
    }
}

/*
 * Maps `size` bytes first, and keeps that mapping if its start happens to be aligned, which is frequent because the
 * kernel puts mappings of equal size next to each other. Otherwise unmaps it and maps `alignment` bytes more, so that
 * `size` bytes from a multiple of `alignment` on lie within the new mapping. Then unmaps the bytes before and behind
 * them.
 */
static char *buffer_map_aligned(size_t size, size_t alignment)
{
    char *start = os_map(size);
    if (start == NULL || (uintptr_t)start % alignment == 0) {
        return start;
    }
    buffer_cut(start, size);
    start = os_map(size + alignment);
    if (start == NULL) {
        return NULL;
    }
    size_t before = (alignment - (uintptr_t)start % alignment) % alignment;
    buffer_cut(start, before);
    buffer_cut(start + before + size, alignment - before);
    return start + before;
}

char *buffer_map(size_t size, size_t alignment)
{
    size_t page = os_page_size();
    if (size == 0 || size > PTRDIFF_MAX - page || alignment > PTRDIFF_MAX - size - page) {
        return NULL;
    }
    size_t whole = os_round_to_pages(size);
    return alignment <= page ? os_map(whole) : buffer_map_aligned(whole, alignment);
}

bool buffer_unmap(char *start, size_t size)
{
    size_t whole = os_round_to_pages(size);
    if (os_release(start, whole)) {
        return true;
    }
    os_discard(start, whole);
    return false;
}
