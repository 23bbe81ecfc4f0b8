/* Defines the bytes of each body, so that client and server both compute them, and neither has to store them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_PATTERN_H
#define DEMO_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes to `bytes` the part from `offset` to `offset + count` of the body that has `size` bytes. */
void pattern_fill(unsigned char *bytes, size_t count, uint64_t offset, uint64_t size);

/* Compares `bytes` with the bytes that pattern_fill would write. Returns how many bytes are equal before the first
 * difference. */
size_t pattern_agree(const unsigned char *bytes, size_t count, uint64_t offset, uint64_t size);

#endif
