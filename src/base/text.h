/*
 * Formats text into a caller's buffer. The library may use no other formatter inside malloc and signal handlers,
 * because printf may allocate memory and take locks.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEXT_H
#define SOCKMALLOC_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer that is being filled with text. Characters that do not fit are dropped, and `cut` is then true. */
struct text {
    char *start;
    size_t used;
    size_t size;
    bool cut;
};

/* Begins an empty text in `buffer`. One of its `size` bytes is kept for the final NUL. */
struct text text_begin(char *buffer, size_t size);

/*
 * Appends formatted text. The formats are a subset of printf's: %s %c %d %u %zu %lu %llu %x %zx %p %%, each with a
 * width, `-` and `*`. The text stays terminated by NUL. Signal handlers may call these functions, because they use no
 * locale, allocation or lock.
 */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_list(struct text *text, const char *format, va_list list);

/*
 * Appends a string from an untrusted source, so that it can change neither a terminal nor the lines around it. Three
 * kinds of bytes are written as escapes such as \x1b: those of control characters, those of marks that turn the writing
 * direction, and those that are no valid UTF-8. Signal handlers may call this function.
 */
void text_add_shown(struct text *text, const char *string);

/*
 * Appends a number of bytes in the form in which settings are written: "4k", "2m", or plain bytes where no unit divides
 * the number.
 */
void text_add_size(struct text *text, uint64_t bytes);

/*
 * Reads a size as text_add_size writes it: a decimal number, then k, m or g, or KiB, MiB or GiB, in either case, or no
 * unit. Returns false if the string has another form or the number of bytes overflows.
 */
bool text_read_size(const char *string, uint64_t *bytes);

#endif
