/* A profile as text: printed and parsed, one sequence of bytes for one profile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROFILE_TEXT_H
#define SOCKMALLOC_PROFILE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "memory/bucket.h"

/*
 * The file is text, and one profile is one sequence of bytes, so that two can be compared by diff:
 *
 *     sockmalloc profile 1
 *     bucket 4096 quota 12
 *     bucket 16384 quota 62
 *     checksum f3a5056eb501c0ef
 *
 * Buckets ascend, by powers of two; only the last may be of another size, that of SOCKMALLOC_MAX.
 * The checksum is FNV-1a of 64 bits over all lines before it. It tells of damage,
 * not of forgery; what a forged profile could do is bounded by what the reader makes of a quota.
 */

/* No quota is larger, so no sum of quotas in bytes overflows. */
enum { PROFILE_QUOTA_LIMIT = 1 << 20 };

struct profile {
    unsigned count;
    struct profile_row {
        size_t bucket;  /* its size: its number depends on SOCKMALLOC_MIN */
        uint32_t quota; /* slots */
    } row[BUCKET_LIMIT];
};

#define PROFILE_TITLE "sockmalloc profile "

enum { PROFILE_SIZE = 512 /* bytes of the longest profile and the NUL behind it */ };

/* Prints a profile. Returns false if profile_parse would refuse the text. */
bool profile_print(const struct profile *profile, struct text *text);

/* Reads the text of a whole file, which has a NUL behind its `length` bytes. Returns NULL, or a few words
 * that say what is wrong with it. */
const char *profile_parse(const char *bytes, size_t length, struct profile *profile);

#endif
