/* Finds out whether a signal came from a process of the same program. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SIGNAL_ORIGIN_H
#define SOCKMALLOC_SIGNAL_ORIGIN_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"

/* Returns true if this process itself has sent the signal. Signal handlers may call this function. */
INTERNAL bool signal_origin_is_self(const siginfo_t *info);

/*
 * Returns true if the sender runs the same executable as this process: the process itself, its parent, a child, or
 * another process of the same server. Returns false if the sender has ended, or if its executable cannot be read
 * because it is another user's or a chroot hides /proc. Signal handlers may call the function, which makes two system
 * calls and does not change errno.
 */
INTERNAL bool signal_origin_is_kin(const siginfo_t *info);

#endif
