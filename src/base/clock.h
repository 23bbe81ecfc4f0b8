/* The time, monotonic and coarse, at the price of two loads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CLOCK_H
#define SOCKMALLOC_CLOCK_H

#include <stdint.h>

#include "base/attributes.h"

/*
 * Nanoseconds since some moment before start, in steps of some milliseconds: the coarse clock,
 * which the kernel lets be read in memory whatever the machine's time is kept by. The others' may
 * be a system call, of which a sandboxed program knows nothing. Any thread, signal handlers too.
 */
INTERNAL uint64_t clock_now(void);

#endif
