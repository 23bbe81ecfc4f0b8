/* Functions that the program exports by their names. Each of them allocates a block in a different way. */
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

/* Each function allocates a block of `size` bytes, at most HOLDER_SIZE_MAX. */
enum { HOLDER_SIZE_MAX = 4 << 20 };
#define HOLDER_DECLARATION(name) void *name(size_t size);
HOLDER_ROWS(HOLDER_DECLARATION)
#undef HOLDER_DECLARATION

/* Calls realloc, so that the list shows `resize` as the caller. */
void *resize(void *block, size_t size);

#endif
