/* Defines what a block of the stress test contains: a pattern made of its address and its serial number. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "content.h"

#include <string.h>

enum { WORD = sizeof(uint64_t), PAGE = 4096, DENSE = 16 };

static uint64_t content_word(const struct content *content, size_t offset)
{
    uint64_t place = (uintptr_t)content->origin + offset;
    return place ^ content->serial * UINT64_C(0x9e3779b97f4a7c15);
}

static size_t content_step(const struct content *content)
{
    return content->serial % DENSE == 0 ? (size_t)WORD : (size_t)PAGE;
}

/* Returns at which offset in each page of the buffer a word of the pattern is written. */
static size_t content_phase(const struct content *content)
{
    return (content->serial * WORD + ((uintptr_t)content->origin >> 12) * 7 * WORD) % PAGE;
}

static void content_put(char *buffer, const struct content *content, size_t offset)
{
    uint64_t word = content_word(content, offset);
    memcpy(buffer + offset, &word, sizeof word);
}

static bool content_stands(const char *buffer, const struct content *content, size_t offset)
{
    uint64_t word = content_word(content, offset);
    return memcmp(buffer + offset, &word, sizeof word) == 0;
}

/* Fills the buffer with its pattern. The last word of the buffer is written after the others, because it may overlap
 * one of them. */
void content_fill(char *buffer, const struct content *content)
{
    size_t end = content->size - WORD;
    size_t step = content_step(content);
    content_put(buffer, content, 0);
    for (size_t at = content_phase(content) % step; at < end; at += step) {
        content_put(buffer, content, at);
    }
    content_put(buffer, content, end);
}

size_t content_compare(const char *buffer, size_t kept, const struct content *content)
{
    size_t end = content->size - WORD;
    size_t step = content_step(content);
    if (!content_stands(buffer, content, 0)) {
        return 0;
    }
    for (size_t at = content_phase(content) % step; at + WORD <= (kept < end ? kept : end); at += step) {
        if (!content_stands(buffer, content, at)) {
            return at;
        }
    }
    bool whole = kept == content->size;
    return whole && !content_stands(buffer, content, end) ? end : SIZE_MAX;
}

bool content_is_zero(const char *buffer, size_t size)
{
    return buffer[0] == 0 && memcmp(buffer, buffer + 1, size - 1) == 0;
}
