/* The text of a profile, the file that keeps trained quotas until the next start: prints it, parses it and checks it.
 * The same quotas always make the same text, and no other text is valid for them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROFILE_TEXT_H
#define SOCKMALLOC_PROFILE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "memory/bucket.h"

/*
 * A profile looks like this. The same quotas always make the same text, so diff can compare two profiles:
 *
 *     sockmalloc profile 1
 *     bucket 4096 quota 12
 *     bucket 16384 quota 62
 *     checksum f3a5056eb501c0ef
 *
 * A bucket is named by its size in bytes, and a quota is a number of slots. The sizes ascend from line to line. Each
 * size is a power of two, except that the last may be the value of SOCKMALLOC_MAX. The checksum is FNV-1a with 64 bits
 * over all lines before it. The checksum detects a damaged file but not a forged one. A forged profile can do no more
 * than set quotas, which the reader limits to MAGAZINE_SLOTS.
 */

/* The highest quota that profile_parse accepts. Sums of such quotas in bytes do not overflow. */
enum { PROFILE_QUOTA_LIMIT = 1 << 20 };

struct profile {
    unsigned count;
    struct profile_row {
        /* the bucket's size in bytes, and not its number, because the number depends on SOCKMALLOC_MIN */
        size_t bucket;
        uint32_t quota; /* slots */
    } row[BUCKET_LIMIT];
};

#define PROFILE_TITLE "sockmalloc profile "

enum { PROFILE_SIZE = 512 /* how many bytes the longest profile and a NUL need */ };

/* Prints a profile into an empty text. Returns false if profile_parse would refuse a row, or if the text has too little
 * space. */
bool profile_print(const struct profile *profile, struct text *text);

/* Parses the text of a whole file into `profile`, which must have no rows yet. A NUL must follow its `length` bytes.
 * Returns NULL, or a few words that say what is wrong with the text. */
const char *profile_parse(const char *bytes, size_t length, struct profile *profile);

#endif
