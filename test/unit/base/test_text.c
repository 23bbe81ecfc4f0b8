/* Tests of base/text.c: each conversion prints what printf prints, a small buffer gets the start of the text, and sizes
 * are parsed and printed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "support/crew.h"

/* Checks that text_add makes the same text as snprintf, which knows all conversions of text_add. */
#define EXPECT_AS_PRINTF(...)                                                                                          \
    do {                                                                                                               \
        char ours[256];                                                                                                \
        char theirs[256];                                                                                              \
        struct text text = text_begin(ours, sizeof ours);                                                              \
        text_add(&text, __VA_ARGS__);                                                                                  \
        size_t length = (size_t)snprintf(theirs, sizeof theirs, __VA_ARGS__);                                          \
        cr_expect_str_eq(ours, theirs);                                                                                \
        cr_expect_eq(text.used, length);                                                                               \
        cr_expect_not(text.cut);                                                                                       \
    } while (0)

Test(text, begins_empty_and_terminated)
{
    char buffer[4] = "abc";
    struct text text = text_begin(buffer, sizeof buffer);
    cr_assert_str_empty(buffer);
    cr_assert_eq(text.used, 0);
    cr_assert_not(text.cut);
}

Test(text, strings_and_characters)
{
    EXPECT_AS_PRINTF("plain");
    EXPECT_AS_PRINTF("%s", "word");
    EXPECT_AS_PRINTF("<%s>", "");
    EXPECT_AS_PRINTF("<%10s>", "word");
    EXPECT_AS_PRINTF("<%-10s>", "word");
    EXPECT_AS_PRINTF("<%2s>", "wider than that");
    EXPECT_AS_PRINTF("<%-2s>", "wider than that");
    EXPECT_AS_PRINTF("<%c><%3c><%-3c>", 'a', 'b', 'c');
    EXPECT_AS_PRINTF("100%% %s%%", "sure");
    const char *volatile none = NULL;
    char buffer[32];
    struct text text = text_begin(buffer, sizeof buffer);
    text_add(&text, "<%s>", none);
    cr_expect_str_eq(buffer, "<(none)>");
}

Test(text, signed_numbers)
{
    static const int numbers[] = {0, 1, -1, 9, 10, -10, 123456, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        EXPECT_AS_PRINTF("%d", numbers[i]);
        EXPECT_AS_PRINTF("<%12d><%-12d>", numbers[i], numbers[i]);
        EXPECT_AS_PRINTF("%ld", (long)numbers[i] * 4294967296L);
    }
    EXPECT_AS_PRINTF("%ld %ld", LONG_MAX, LONG_MIN);
    EXPECT_AS_PRINTF("%lld %lld", LLONG_MAX, LLONG_MIN);
}

Test(text, unsigned_numbers)
{
    static const unsigned long numbers[] = {0, 1, 9, 10, 15, 255, UINT_MAX - 1UL, UINT_MAX, UINT_MAX + 1UL, ULONG_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        EXPECT_AS_PRINTF("%u %x", (unsigned)numbers[i], (unsigned)numbers[i]);
        EXPECT_AS_PRINTF("%lu %lx", numbers[i], numbers[i]);
        EXPECT_AS_PRINTF("%zu %zx", (size_t)numbers[i], (size_t)numbers[i]);
        EXPECT_AS_PRINTF("%llu %llx", (unsigned long long)numbers[i], (unsigned long long)numbers[i]);
        EXPECT_AS_PRINTF("<%22zu><%-22zu><%8x><%-8x>", (size_t)numbers[i], (size_t)numbers[i], (unsigned)numbers[i],
                         (unsigned)numbers[i]);
    }
}

Test(text, pointers)
{
    static const uintptr_t addresses[] = {1, 0x1000, 0x7fffdeadbeef, UINTPTR_MAX};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        EXPECT_AS_PRINTF("<%p><%20p><%-20p>", (void *)addresses[i], (void *)addresses[i], (void *)addresses[i]);
    }
}

Test(text, width_from_an_argument)
{
    for (int width = 0; width < 12; width++) {
        EXPECT_AS_PRINTF("<%*s><%-*s>", width, "word", width, "word");
        EXPECT_AS_PRINTF("<%*d><%-*d>", width, -42, width, -42);
        EXPECT_AS_PRINTF("<%*lu><%-*zx>", width, 42UL, width, (size_t)42);
    }
}

Test(text, conversions_follow_each_other)
{
    EXPECT_AS_PRINTF("%s(%p): bucket %s, slot %u: %zu bytes, %-6s %10s %*lu%c", "free", (void *)0x7f0000001000, "16k",
                     42U, (size_t)16390, "total", "-", 9, 7UL, '\n');
}

Test(text, appends)
{
    char buffer[32];
    struct text text = text_begin(buffer, sizeof buffer);
    text_add(&text, "one");
    text_add(&text, " %d", 2);
    text_add(&text, "%s", "");
    text_add_size(&text, 3072);
    cr_assert_str_eq(buffer, "one 23k");
    cr_assert_eq(text.used, strlen(buffer));
}

/*
 * text_add writes as much of the text as fits into the buffer, and a NUL behind it. It never writes behind the buffer.
 */
Test(text, cuts_what_does_not_fit)
{
    static const char whole[] = "<      word>-42 0xff 64k";
    for (size_t size = 1; size <= sizeof whole + 2; size++) {
        char buffer[sizeof whole + 4];
        memset(buffer, '#', sizeof buffer);
        struct text text = text_begin(buffer, size);
        text_add(&text, "<%10s>%d %p ", "word", -42, (void *)0xff);
        text_add_size(&text, 65536);
        size_t fits = size - 1 < sizeof whole - 1 ? size - 1 : sizeof whole - 1;
        cr_expect_eq(text.used, fits);
        cr_expect_eq(strncmp(buffer, whole, fits), 0, "size %zu: %s", size, buffer);
        cr_expect_eq(buffer[fits], '\0');
        cr_expect_eq(buffer[size], '#', "size %zu: written beyond the buffer", size);
        cr_expect_eq(text.cut, size < sizeof whole);
    }
}

Test(text, prints_sizes)
{
    static const struct {
        uint64_t bytes;
        const char *string;
    } sizes[] = {
        {0, "0"},
        {1, "1"},
        {1023, "1023"},
        {1024, "1k"},
        {1025, "1025"},
        {4096, "4k"},
        {85000, "85000"},
        {1536 << 10, "1536k"},
        {4 << 20, "4m"},
        {UINT64_C(1) << 30, "1g"},
        {UINT64_C(1) << 40, "1024g"},
        {UINT64_MAX, "18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char buffer[32];
        struct text text = text_begin(buffer, sizeof buffer);
        text_add_size(&text, sizes[i].bytes);
        cr_expect_str_eq(buffer, sizes[i].string);
    }
}

Test(text, reads_sizes)
{
    static const struct {
        const char *string;
        uint64_t bytes;
    } sizes[] = {
        {"0", 0},
        {"007", 7},
        {"4096", 4096},
        {"4k", 4096},
        {"4K", 4096},
        {"3m", 3 << 20},
        {"3M", 3 << 20},
        {"2g", UINT64_C(2) << 30},
        {"2G", UINT64_C(2) << 30},
        {"0g", 0},
        {"4KiB", 4096},
        {"4kib", 4096},
        {"3MiB", 3 << 20},
        {"2GiB", UINT64_C(2) << 30},
        {"18446744073709551615", UINT64_MAX},
        {"18014398509481983k", UINT64_C(18014398509481983) << 10},
        {"17179869183g", UINT64_C(17179869183) << 30},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t bytes = 42;
        cr_expect(text_read_size(sizes[i].string, &bytes), "%s is a size", sizes[i].string);
        cr_expect_eq(bytes, sizes[i].bytes, "%s", sizes[i].string);
    }
}

Test(text, refuses_what_is_no_size)
{
    static const char *const strings[] = {
        "",
        "k",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1kb",
        "1kk",
        "1ki",
        "1iB",
        "1MiBs",
        "1Mib ",
        "1MB",
        "1t",
        "1b",
        "0x10",
        "1.5k",
        "1,5",
        "1k ",
        "four",
        "1\xeb",
        "1\v",
        "1-",
        "4096\n",
        "18446744073709551616",
        "99999999999999999999",
        "18014398509481984k",
        "17592186044416m",
        "17179869184g",
        "18446744073709551615g",
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        uint64_t bytes = 42;
        cr_expect_not(text_read_size(strings[i], &bytes), "'%s' is no size", strings[i]);
        cr_expect_eq(bytes, 42, "'%s' stored a size", strings[i]);
    }
}

Test(text, reads_what_it_prints)
{
    uint64_t state = 1;
    for (int i = 0; i < 100000; i++) {
        /* a random number of any magnitude; many have trailing zero bits, as multiples of k, m and g do */
        uint64_t bytes = crew_random(&state) >> (state % 64) << (state / 64 % 40);
        char buffer[32];
        struct text text = text_begin(buffer, sizeof buffer);
        text_add_size(&text, bytes);
        uint64_t read = 0;
        cr_assert(text_read_size(buffer, &read) && read == bytes, "%lu came back as %lu by way of %s", bytes, read,
                  buffer);
    }
}

static void expect_shown(const char *string, const char *wanted)
{
    char buffer[64];
    struct text text = text_begin(buffer, sizeof buffer);
    text_add_shown(&text, string);
    cr_expect_str_eq(buffer, wanted);
}

Test(text, escapes_foreign_bytes)
{
    expect_shown("", "");
    expect_shown("nginx: worker ~", "nginx: worker ~");
    expect_shown("a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f");
    expect_shown("\033]0;title\007", "\\x1b]0;title\\x07");
    /* Characters outside ASCII are shown unchanged: a letter, the euro sign and an emoji. */
    expect_shown("\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82");
    /* The control characters U+0080 to U+009F are escaped, whether they come as UTF-8 or as single bytes. */
    expect_shown("\xc2\x9b"
                 "2J",
                 "\\xc2\\x9b2J");
    expect_shown("\x9b"
                 "2J",
                 "\\x9b2J");
    /* The line separator U+2028 and the character U+202E, which reverses the direction of text, are escaped. */
    expect_shown("\xe2\x80\xa8\xe2\x80\xae", "\\xe2\\x80\\xa8\\xe2\\x80\\xae");
    /* Bytes that are not valid UTF-8 are escaped: a character without its last byte, one with more bytes than needed,
     * half of a surrogate pair, and a number beyond Unicode's last character. */
    expect_shown("\xe2\x82", "\\xe2\\x82");
    expect_shown("\xc0\x8a", "\\xc0\\x8a");
    expect_shown("\xe0\x80\x8a", "\\xe0\\x80\\x8a");
    expect_shown("\xc1\x81\xe0\x81\x81\xf0\x80\x81\x81", "\\xc1\\x81\\xe0\\x81\\x81\\xf0\\x80\\x81\\x81");
    expect_shown("\xed\xa0\x80", "\\xed\\xa0\\x80");
    expect_shown("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
    expect_shown("\xff", "\\xff");
}

Test(text, shows_as_much_as_fits)
{
    char buffer[8];
    struct text text = text_begin(buffer, sizeof buffer);
    text_add_shown(&text, "ab\ncdef");
    cr_expect_str_eq(buffer, "ab\\x0ac");
    cr_expect(text.cut);
}
