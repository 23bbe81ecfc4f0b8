/* Says which bytes a body has, so that both ends can compute them and neither has to keep them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_PATTERN_H
#define DEMO_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes [offset, offset + count) of the body that has `size` bytes. */
void pattern_fill(unsigned char *bytes, size_t count, uint64_t offset, uint64_t size);

/* Compares with what pattern_fill would write; returns how many bytes agree before the first that does not. */
size_t pattern_agree(const unsigned char *bytes, size_t count, uint64_t offset, uint64_t size);

#endif
