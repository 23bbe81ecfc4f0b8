/*
 * Formats text into a buffer of the caller. The library uses this inside malloc and in signal handlers, because printf
 * may allocate memory and take locks there.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <string.h>

#include "base/bounds.h"

/* One conversion of a format: the characters behind the percent sign. */
struct conversion {
    size_t width;
    bool left;
    /* how many times the letter `l` stands in the conversion; `z` counts as one `l`, because size_t is a long on every
     * supported machine */
    unsigned longs;
    char kind;
};

enum { DIGITS_MAX = 24 }; /* enough characters for a number of 64 bits with its prefix, in the base 10 or 16 */

struct text text_begin(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct text){.start = buffer, .used = 0, .size = size, .cut = false};
}

static void text_put(struct text *text, char character)
{
    if (text->used + 1 >= text->size) {
        text->cut = true;
        return;
    }
    text->start[text->used++] = character;
    text->start[text->used] = '\0';
}

static void text_put_padded(struct text *text, const char *string, size_t length, const struct conversion *conversion)
{
    size_t padding = EXCESS(conversion->width, length);
    for (size_t i = 0; !conversion->left && i < padding; i++) {
        text_put(text, ' ');
    }
    for (size_t i = 0; i < length; i++) {
        text_put(text, string[i]);
    }
    for (size_t i = 0; conversion->left && i < padding; i++) {
        text_put(text, ' ');
    }
}

static void text_put_number(struct text *text, uint64_t number, unsigned base, const char *prefix,
                            const struct conversion *conversion)
{
    char digits[DIGITS_MAX];
    size_t first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    for (size_t i = strlen(prefix); i > 0; i--) {
        digits[--first] = prefix[i - 1];
    }
    text_put_padded(text, digits + first, sizeof digits - first, conversion);
}

/* Reads the conversion at `format`, which begins behind the percent sign. If its width is a `*`, the width is `star`,
 * or 0 if `star` is negative. Returns the address behind the conversion. */
static const char *conversion_read(const char *format, struct conversion *conversion, int star)
{
    *conversion = (struct conversion){0};
    if (*format == '-') {
        conversion->left = true;
        format++;
    }
    if (*format == '*') {
        conversion->width = star > 0 ? (size_t)star : 0;
        format++;
    }
    while (*format >= '0' && *format <= '9') {
        conversion->width = conversion->width * 10 + (size_t)(*format++ - '0');
    }
    while (*format == 'l' || *format == 'z') {
        conversion->longs++;
        format++;
    }
    conversion->kind = *format;
    return *format == '\0' ? format : format + 1;
}

static bool conversion_takes_star(const char *format)
{
    return format[0] == '*' || (format[0] == '-' && format[1] == '*');
}

void text_add_list(struct text *text, const char *format, va_list list)
{
    while (*format != '\0') {
        if (*format != '%') {
            text_put(text, *format++);
            continue;
        }
        format++;
        struct conversion conversion;
        int star = conversion_takes_star(format) ? va_arg(list, int) : 0;
        format = conversion_read(format, &conversion, star);
        switch (conversion.kind) {
        case 's': {
            const char *string = va_arg(list, const char *);
            string = string != NULL ? string : "(none)";
            text_put_padded(text, string, strlen(string), &conversion);
            break;
        }
        case 'c': {
            char character = (char)va_arg(list, int);
            text_put_padded(text, &character, 1, &conversion);
            break;
        }
        case 'd': {
            int64_t number = conversion.longs > 0 ? va_arg(list, long) : va_arg(list, int);
            uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
            text_put_number(text, magnitude, 10, number < 0 ? "-" : "", &conversion);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t number = conversion.longs > 0 ? va_arg(list, unsigned long) : va_arg(list, unsigned);
            text_put_number(text, number, conversion.kind == 'x' ? 16 : 10, "", &conversion);
            break;
        }
        case 'p':
            text_put_number(text, (uint64_t)(uintptr_t)va_arg(list, void *), 16, "0x", &conversion);
            break;
        default:
            text_put(text, conversion.kind);
            break;
        }
    }
}

void text_add(struct text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    text_add_list(text, format, list);
    va_end(list);
}

/*
 * Stores the UTF-8 character that begins at `at`, and returns its length in bytes. Returns 0 if no valid character
 * begins there: if bytes are missing, if the character has a shorter form, or if the bytes stand for a surrogate.
 */
static unsigned text_decode(const unsigned char *at, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned size = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    *character = size == 1 ? at[0] : at[0] & (0x7fU >> size);
    for (unsigned i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        *character = *character << 6 | (at[i] & 0x3fU);
    }
    bool is_surrogate = *character >= 0xd800 && *character <= 0xdfff;
    return at[0] >= 0xf8 || *character < least[size] || *character > 0x10ffff || is_surrogate ? 0 : size;
}

/*
 * Returns true for the control characters of ASCII and of Latin-1, for the line and paragraph separators, and for the
 * marks that turn the writing direction.
 */
static bool text_is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x061c || character == 0x200e ||
           character == 0x200f || (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

void text_add_shown(struct text *text, const char *string)
{
    while (*string != '\0') {
        uint32_t character;
        unsigned size = text_decode((const unsigned char *)string, &character);
        bool raw = size > 0 && !text_is_control(character);
        for (unsigned left = size > 0 ? size : 1; left > 0; left--, string++) {
            unsigned byte = (unsigned char)*string;
            if (raw) {
                text_put(text, *string);
            } else {
                text_add(text, byte < 0x10 ? "\\x0%x" : "\\x%x", byte);
            }
        }
    }
}

/* the letters for 1024, 1024^2 and 1024^3 bytes */
static const char size_units[] = "kmg";

void text_add_size(struct text *text, uint64_t bytes)
{
    unsigned unit = 0;
    while (unit < sizeof size_units - 1 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    text_add(text, "%lu", (unsigned long)bytes);
    if (unit > 0) {
        text_put(text, size_units[unit - 1]);
    }
}

bool text_read_size(const char *string, uint64_t *bytes)
{
    uint64_t number = 0;
    const char *at = string;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number)) {
            return false;
        }
    }
    if (at == string) {
        return false;
    }
    if (*at != '\0') {
        const char *unit = strchr(size_units, *at | 0x20);
        bool is_whole = at[1] == '\0' || ((at[1] | 0x20) == 'i' && (at[2] | 0x20) == 'b' && at[3] == '\0');
        if (unit == NULL || !is_whole) {
            return false;
        }
        uint64_t factor = UINT64_C(1024) << (10 * (unit - size_units));
        if (__builtin_mul_overflow(number, factor, &number)) {
            return false;
        }
    }
    *bytes = number;
    return true;
}
