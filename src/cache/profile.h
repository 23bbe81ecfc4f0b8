/* Trained quotas in a file: a server that starts again begins with what the last one learnt. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROFILE_H
#define SOCKMALLOC_PROFILE_H

#include <stdbool.h>

#include "base/attributes.h"
#include "cache/profile_text.h"

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

#endif
