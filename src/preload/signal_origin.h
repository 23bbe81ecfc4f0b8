/* Who sent a signal: a process of this program's, or somebody else. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SIGNAL_ORIGIN_H
#define SOCKMALLOC_SIGNAL_ORIGIN_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"

/* Whether it is this process. Signal-safe. */
INTERNAL bool signal_origin_is_self(const siginfo_t *info);

/*
 * Whether the sender runs the executable that this process runs: itself, its parent or children, or
 * another of the same server's. Who is gone by now, or may not be asked (another user's, or no
 * /proc behind a chroot), counts as somebody else. Signal-safe: two system calls; errno is kept.
 */
INTERNAL bool signal_origin_is_kin(const siginfo_t *info);

#endif
