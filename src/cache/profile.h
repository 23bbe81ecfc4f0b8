/*
 * Reads and writes the profile: a file that keeps trained quotas, so that a restarted server begins with the quotas
 * that it had before.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROFILE_H
#define SOCKMALLOC_PROFILE_H

#include <stdbool.h>

#include "base/attributes.h"
#include "cache/profile_text.h"

/*
 * Reads the profile at `path`. Returns NULL on success. On failure the profile has no rows, and the function returns a
 * few words that say what is wrong with the file, or "" if there is no such file (at a server's first start).
 *
 * The file must be a regular file that belongs to root or to the effective user, and nobody else may have the right to
 * write to it. A symbolic link is not followed, but the directories in `path` may be links. A FIFO is refused without
 * waiting for it. Any thread may call the function, which keeps errno.
 */
INTERNAL const char *profile_read(const char *path, struct profile *profile);

/*
 * Writes the profile to `path`, as a file that only its user can read. Returns false if writing fails; a former file is
 * then unchanged. The profile is first written to PATH.PID.new and then renamed, so a reader finds either the old
 * profile or the new one, whole. If several processes write, the last one's profile stays. If two threads of a process
 * write at once, or a signal handler and the thread that it interrupts, one of the profiles is dropped. A process that
 * is killed can leave PATH.PID.new behind; the next writer with the same pid removes it. In a container, where a server
 * often gets the same pid at each start, this happens when the server next writes its profile.
 *
 * A file that is not empty and does not begin like a profile is not replaced, so that a mistyped path destroys no other
 * file. A symbolic link, a device and a file that cannot be read are not replaced either.
 *
 * The function does not wait for the disk (no fsync), because a signal handler may call it. After a power cut the file
 * can be damaged. The next start notices by the checksum and begins untrained.
 *
 * The function is signal-safe, because it allocates nothing and waits for no lock. It keeps errno.
 */
INTERNAL bool profile_write(const char *path, const struct profile *profile);

#endif
