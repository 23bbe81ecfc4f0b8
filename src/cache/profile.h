/* Trained quotas in a file: a server that starts again begins with what the last one learnt. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROFILE_H
#define SOCKMALLOC_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
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

/*
 * Reads the profile at `path`. NULL if it did; otherwise `profile` has no rows, and it says what is
 * wrong in a few words, or "" if there is no such file, as at the very first start.
 *
 * Only a regular file, of root or of the effective user, that nobody else may write: a link is not
 * followed (the directories before it may be links), a FIFO does not hold us up. Any thread; errno
 * is kept.
 */
INTERNAL const char *profile_read(const char *path, struct profile *profile);

/*
 * Puts the profile at `path`, for the user alone; false if it could not, and then what was there
 * is there still. It is written to PATH.PID.new and renamed, so whoever reads `path` finds the old
 * one or the new one, whole, and of several processes the last one's stays. Of two writers in one
 * process at a time, threads or a handler and whom it interrupts, one is dropped. What a killed
 * process left at PATH.PID.new is removed by the next writer of the same pid, as a container's
 * always is.
 *
 * A file that does not begin as a profile does is not replaced: a path mistyped costs no file. Nor
 * is a link, a device, or a profile that we can't read.
 *
 * Nothing waits for the disk, in a handler least of all: after a power cut the file can be damaged,
 * which the checksum tells, and the next start is an untrained one.
 *
 * Signal-safe: no allocation, no lock that is waited for; errno is kept.
 */
INTERNAL bool profile_write(const char *path, const struct profile *profile);

/* --- what the room's own files share --- */

#define PROFILE_TITLE "sockmalloc profile "

enum { PROFILE_SIZE = 512 /* bytes of the longest profile and the NUL behind it */ };

/* Prints it; false if profile_parse would refuse it. */
bool profile_print(const struct profile *profile, struct text *text);

/* Reads a whole file's text, which ends with a NUL behind its `length` bytes: what is wrong with
 * it, or NULL. */
const char *profile_parse(const char *bytes, size_t length, struct profile *profile);

#endif
