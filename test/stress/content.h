/* Defines what a block of the stress test contains: a pattern made of its address and its serial number. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CONTENT_H
#define STRESS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Describes the pattern of a buffer. The pattern is written to the first and the last eight bytes of the buffer, and to
 * eight bytes in each page, at a place in the page that differs from buffer to buffer. In one buffer of sixteen the
 * pattern fills every word. Each buffer has at least a page.
 */
struct content {
    const char *origin; /* the buffer's address when it was filled */
    uint64_t serial;
    size_t size;
};

void content_fill(char *buffer, const struct content *content);

/* Compares the first `kept` bytes of the buffer with its pattern, but no more than content->size bytes. Returns the
 * offset of the first difference, or SIZE_MAX if there is none. */
size_t content_compare(const char *buffer, size_t kept, const struct content *content);

/* Returns true if all bytes of the buffer are zero. */
bool content_is_zero(const char *buffer, size_t size);

#endif
