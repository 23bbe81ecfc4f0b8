/* The text of a profile, the file that keeps trained quotas until the next start: prints it, parses it and checks it.
 * The same quotas always make the same text, and no other text is valid for them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/profile_text.h"

#include <string.h>

#include "base/text.h"

#define PROFILE_VERSION "1\n"
#define CHECKSUM_TITLE  "checksum "

enum { CHECKSUM_LENGTH = sizeof CHECKSUM_TITLE - 1 + 16 + 1 };

/* Writes the last line of a profile, with the checksum of the `length` bytes before it. */
static void profile_checksum(const char *bytes, size_t length, char line[CHECKSUM_LENGTH + 1])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a begins with this number */
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    }
    struct text text = text_begin(line, CHECKSUM_LENGTH + 1);
    text_add(&text, CHECKSUM_TITLE);
    for (int shift = 60; shift >= 0; shift -= 4) {
        text_add(&text, "%x", (unsigned)(hash >> shift) & 15U);
    }
    text_add(&text, "\n");
}

static bool is_power(size_t size)
{
    return (size & (size - 1)) == 0;
}

/* Returns a text that says what is wrong with a row, or NULL. `before` is the bucket of the row before it, or 0 for the
 * first row. */
static const char *profile_row_fault(const struct profile_row *row, size_t before)
{
    size_t size = row->bucket;
    if (size < 1U << BUCKET_GRANULE_SHIFT || size > BUCKET_REQUEST_LIMIT) {
        return "a bucket out of range";
    }
    if (size <= before || !is_power(before)) {
        return "buckets out of order";
    }
    return row->quota > PROFILE_QUOTA_LIMIT ? "a quota out of range" : NULL;
}

/*
 * The sizes rise from row to row, and each is a power of two in range, except that the last may be another size. So a
 * valid profile has at most BUCKET_LIMIT - 1 rows. struct profile has space for one more row, and that row is refused.
 * So the loops below need not check the number of rows.
 */
_Static_assert(BUCKET_REQUEST_LIMIT >> BUCKET_GRANULE_SHIFT < 1 << (BUCKET_LIMIT - 1), "rows");

bool profile_print(const struct profile *profile, struct text *text)
{
    size_t before = 0;
    char line[CHECKSUM_LENGTH + 1];
    text_add(text, PROFILE_TITLE PROFILE_VERSION);
    for (unsigned i = 0; i < profile->count; i++) {
        const struct profile_row *row = &profile->row[i];
        if (profile_row_fault(row, before) != NULL) {
            return false;
        }
        text_add(text, "bucket %zu quota %u\n", row->bucket, row->quota);
        before = row->bucket;
    }
    profile_checksum(text->start, text->used, line);
    text_add(text, "%s", line);
    return !text->cut;
}

/*
 * If the text at `at` begins with `word`, moves `at` to the end of the word and returns true. Otherwise returns false.
 */
static bool profile_skip(const char **at, const char *word)
{
    size_t length = strlen(word);
    bool next = strncmp(*at, word, length) == 0;
    *at += next ? length : 0;
    return next;
}

/* Reads a decimal number without leading zeros, as profile_print writes it. Returns false if there is none. A number
 * that 32 bits cannot hold becomes UINT32_MAX, which is out of every range. */
static bool profile_read_number(const char **at, uint32_t *number)
{
    const char *start = *at;
    *number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        if (__builtin_mul_overflow(*number, 10U, number) ||
            __builtin_add_overflow(*number, (uint32_t)(**at - '0'), number)) {
            *number = UINT32_MAX;
        }
    }
    return *at > start && (*start != '0' || *at == start + 1);
}

/* Parses one row and stores it after the others, without counting it. Returns NULL, or a text that says what is wrong
 * with the row. */
static const char *profile_parse_row(const char **at, struct profile *profile)
{
    struct profile_row *row = &profile->row[profile->count];
    uint32_t bucket;
    if (!profile_skip(at, "bucket ") || !profile_read_number(at, &bucket) || !profile_skip(at, " quota ") ||
        !profile_read_number(at, &row->quota) || !profile_skip(at, "\n")) {
        return "a line that no profile has";
    }
    row->bucket = bucket;
    return profile_row_fault(row, profile->count > 0 ? row[-1].bucket : 0);
}

const char *profile_parse(const char *bytes, size_t length, struct profile *profile)
{
    const char *at = bytes;
    const char *fault = NULL;
    char line[CHECKSUM_LENGTH + 1];
    if (!profile_skip(&at, PROFILE_TITLE)) {
        return length > 0 ? "not a profile at all" : "empty";
    }
    if (!profile_skip(&at, PROFILE_VERSION)) {
        return "of another version";
    }
    const char *end = at + CHECKSUM_LENGTH <= bytes + length ? bytes + length - CHECKSUM_LENGTH : at;
    if (strncmp(end, CHECKSUM_TITLE, sizeof CHECKSUM_TITLE - 1) != 0) {
        return "no checksum at its end";
    }
    profile_checksum(bytes, (size_t)(end - bytes), line);
    if (strncmp(line, end, CHECKSUM_LENGTH) != 0) {
        return "checksum does not match";
    }
    while (fault == NULL && at < end) {
        fault = profile_parse_row(&at, profile);
        profile->count += fault == NULL;
    }
    return fault;
}
