/* Changes settings of the running program, as a queued signal of the command `sockmalloc` demands. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ADJUST_H
#define SOCKMALLOC_ADJUST_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "pool/pool.h"

/*
 * Returns the limits that the settings in `options` mean. `processors` is the number of processors by which
 * SOCKMALLOC_CACHE=auto is computed, now and after each change. Start-up calls this function.
 */
INTERNAL struct pool_limits adjust_open(unsigned processors);

/* Returns true if the signal is such a demand, which the program must not see. */
INTERNAL bool adjust_is_wanted(const siginfo_t *info);

/*
 * Carries such a demand out if the setting may change while a program runs, takes the value, and SOCKMALLOC_CONTROL=1
 * was set at start-up. Small requests can be sampled for a time without SOCKMALLOC_CONTROL, because that changes
 * nothing but a statistic. A demand that is not carried out has no effect; the sender finds out by reading `options`.
 * Runs in a signal handler that no other handler interrupts, and makes no system call but mprotect.
 */
INTERNAL void adjust_do(const siginfo_t *info);

#endif
