/*
 * Changes settings of the library while the program runs, when the command `sockmalloc` demands so by a queued signal.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ADJUST_H
#define SOCKMALLOC_ADJUST_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "pool/pool.h"

/*
 * Returns the limits for the pools, computed from the settings in `options`. Start-up calls this function. `processors`
 * is the number from which SOCKMALLOC_CACHE=auto is computed, now and after each later change of a setting.
 */
INTERNAL struct pool_limits adjust_open(unsigned processors);

/* Returns true if the signal demands a change of a setting. The program must not see such a signal. */
INTERNAL bool adjust_is_wanted(const siginfo_t *info);

/*
 * Sets the setting that the signal names to the value that the signal contains. Does so only if the setting may change
 * while a program runs, the value is valid for it, and SOCKMALLOC_CONTROL=1 was set at start-up. Small requests can be
 * sampled for a time without SOCKMALLOC_CONTROL, because that changes nothing but a statistic. Otherwise nothing
 * happens; the sender finds that out if it reads the settings of this process (`options`). Runs in a signal handler
 * that no other handler interrupts, and makes no system call but mprotect.
 */
INTERNAL void adjust_do(const siginfo_t *info);

#endif
