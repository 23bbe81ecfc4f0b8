/* Functions by which the test program allocates, each in a different way. The program exports these functions. So the
 * library's list of slots in use can say by name which function has allocated a slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_HOLDERS_H
#define SOCKMALLOC_TEST_HOLDERS_H

#include <stddef.h>

#define HOLDER_ROWS(ROW)                                                                                               \
    ROW(hold_by_malloc)                                                                                                \
    ROW(hold_by_calloc)                                                                                                \
    ROW(hold_by_realloc)                                                                                               \
    ROW(hold_by_reallocarray)                                                                                          \
    ROW(hold_by_posix_memalign)                                                                                        \
    ROW(hold_by_aligned_alloc)                                                                                         \
    ROW(hold_by_memalign)                                                                                              \
    ROW(hold_by_valloc)                                                                                                \
    ROW(hold_by_strdup)                                                                                                \
    ROW(hold_by_strndup)                                                                                               \
    ROW(hold_by_new)                                                                                                   \
    ROW(hold_by_new_array)                                                                                             \
    ROW(hold_by_new_nothrow)                                                                                           \
    ROW(hold_by_new_aligned)

/* Each of these functions allocates a block of `size` bytes, which may be at most HOLDER_SIZE_MAX. */
enum { HOLDER_SIZE_MAX = 4 << 20 };
#define HOLDER_DECLARATION(name) void *name(size_t size);
HOLDER_ROWS(HOLDER_DECLARATION)
#undef HOLDER_DECLARATION

/* Resizes the block by realloc. The list of slots in use then names `resize` as the function that has allocated the
 * block. */
void *resize(void *block, size_t size);

#endif
