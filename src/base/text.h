/* Formats text into a caller's buffer; the only formatter that may run inside malloc or a handler.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEXT_H
#define SOCKMALLOC_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer being filled. What does not fit is dropped; `cut` then says so. */
struct text {
    char *start;
    size_t used;
    size_t size;
    bool cut;
};

/* Begins an empty text in `buffer`, of which one byte is kept for the final NUL. */
struct text text_begin(char *buffer, size_t size);

/*
 * Appends by a subset of printf: %s %c %d %u %zu %lu %llu %x %zx %p %%, with a width, `-` and `*`.
 * The text stays terminated by NUL. Safe in signal handlers: no locale, no allocation, no lock.
 */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_list(struct text *text, const char *format, va_list list);

/*
 * Appends a string that somebody else chose, so that it can change neither a terminal nor the lines
 * around it: each byte of a control character, of a mark that turns the writing direction, and of
 * what is no UTF-8 is written as \x1b is. Safe in signal handlers.
 */
void text_add_shown(struct text *text, const char *string);

/* "4k", "2m", or plain bytes where no unit divides `bytes`: the way that sizes are written in
 * settings. */
void text_add_size(struct text *text, uint64_t bytes);

/* Reads what text_add_size writes (decimal, k, m, g in either case). False if it is anything else
 * or overflows. */
bool text_read_size(const char *string, uint64_t *bytes);

#endif
