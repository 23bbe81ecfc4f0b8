/*
 * Returns the time of a monotonic clock. It advances in steps of some milliseconds, and is read without a system call.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CLOCK_H
#define SOCKMALLOC_CLOCK_H

#include <stdint.h>

#include "base/attributes.h"

/*
 * Returns nanoseconds since a moment before start-up. The number advances in steps of some milliseconds. The kernel
 * lets a process read this coarse clock in its own memory on every machine, for the price of two loads. Other clocks
 * may need a system call, which a seccomp filter may forbid. Any thread and any signal handler may call this function.
 */
INTERNAL uint64_t clock_now(void);

#endif
