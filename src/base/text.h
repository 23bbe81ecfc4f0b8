/*
 * Formats text into a buffer of the caller. The library uses this inside malloc and in signal handlers, because printf
 * may allocate memory and take locks there.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEXT_H
#define SOCKMALLOC_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer that is being filled with text. Characters for which there is no space are dropped, and `cut` is true from
 * then on. */
struct text {
    char *start;
    size_t used;
    size_t size;
    bool cut;
};

/* Begins an empty text in `buffer`. One of its `size` bytes is kept for the final NUL. */
struct text text_begin(char *buffer, size_t size);

/*
 * Appends formatted text. The conversions are some of printf's: %s %c %d %u %zu %lu %llu %x %zx %p %%. Each may have a
 * width, also as `*`, and `-`. A NUL always follows the text. Signal handlers may call text_add and text_add_list,
 * because these use no locale, allocate nothing and take no lock.
 */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_list(struct text *text, const char *format, va_list list);

/*
 * Appends a string from an untrusted source, so that it can change neither a terminal nor the lines around it. Three
 * kinds of bytes are written as escapes such as \x1b: bytes of control characters, bytes of the marks that change the
 * direction of writing, and bytes that are not valid UTF-8. Signal handlers may call this function.
 */
void text_add_shown(struct text *text, const char *string);

/* Appends a number of bytes as settings write it: with a unit, such as "4k" or "2m", if it is a multiple of 1024, and
 * otherwise as the plain number. */
void text_add_size(struct text *text, uint64_t bytes);

/*
 * Reads a size as text_add_size writes it: a decimal number of bytes, or a number with a unit behind it. The unit is k,
 * m or g, or KiB, MiB or GiB, in small or capital letters. Returns false if the string has another form or the number
 * of bytes overflows.
 */
bool text_read_size(const char *string, uint64_t *bytes);

#endif
