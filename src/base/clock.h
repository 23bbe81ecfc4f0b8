/* Reads a monotonic clock that advances in steps of some milliseconds and can be read without a system call. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CLOCK_H
#define SOCKMALLOC_CLOCK_H

#include <stdint.h>

#include "base/attributes.h"

/*
 * Returns how many nanoseconds have passed since a moment before start-up. The number advances in steps of some
 * milliseconds. On every machine the kernel lets a process read this coarse clock without a system call, for the price
 * of two loads. Reading another clock may need a system call, which a seccomp filter may forbid. Any thread and any
 * signal handler may call this function.
 */
INTERNAL uint64_t clock_now(void);

#endif
