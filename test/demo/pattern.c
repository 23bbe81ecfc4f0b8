/* Computes the bytes of a body from their offset and the body's size. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pattern.h"

/*
 * Returns the byte at `offset` of the body of this size: the top byte of the product of an odd constant and a number
 * that is made of the offset and the size. Neighbouring bytes differ. In every body of a page or more, the bytes at the
 * same place in neighbouring pages also differ, so that a test notices a page that belongs to another place or to
 * another body.
 */
static unsigned char pattern_byte(uint64_t offset, uint64_t size)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;

    return (unsigned char)(((offset + size * 0x10001u) * odd) >> 56);
}

void pattern_fill(unsigned char *bytes, size_t count, uint64_t offset, uint64_t size)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = pattern_byte(offset + i, size);
}

size_t pattern_agree(const unsigned char *bytes, size_t count, uint64_t offset, uint64_t size)
{
    size_t i = 0;

    while (i < count && bytes[i] == pattern_byte(offset + i, size))
        i++;
    return i;
}
