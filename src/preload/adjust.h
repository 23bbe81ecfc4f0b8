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
 * Sets the setting that the signal names to the value that the signal contains. Does nothing if the setting must not
 * change while a program runs, if the value is not valid for it, or if SOCKMALLOC_CONTROL=1 was not set at start-up.
 * The sender notices that when it reads the settings of this process (the variable `options`). One demand is obeyed
 * even without SOCKMALLOC_CONTROL: to sample small requests for a time, because that changes nothing but a statistic.
 * Runs in a signal handler that no other handler interrupts, and makes no system call but mprotect.
 */
INTERNAL void adjust_do(const siginfo_t *info);

#endif
