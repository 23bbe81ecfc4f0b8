/* What a buffer contains: a pattern of its own, made of where it lies and which one it is. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CONTENT_H
#define STRESS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which pattern. It stands in the first eight bytes and the last eight of the buffer and in each page of it, at a place
 * that differs from buffer to buffer; of one buffer in sixteen, in every word. All sizes are at least a page. */
struct content {
    const char *origin; /* where the buffer lay when it was filled */
    uint64_t serial;
    size_t size;
};

void content_fill(char *buffer, const struct content *content);

/* Compares the first `kept` bytes, at most content->size. The offset of the first difference, or SIZE_MAX if there is
 * none. */
size_t content_compare(const char *buffer, size_t kept, const struct content *content);

/* Returns true if all bytes are zero. */
bool content_is_zero(const char *buffer, size_t size);

#endif
