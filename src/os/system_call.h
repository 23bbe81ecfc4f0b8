/* System calls by the machine's own instruction, without libc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SYSTEM_CALL_H
#define SOCKMALLOC_SYSTEM_CALL_H

#include <sys/syscall.h>

#include "base/attributes.h"

/*
 * The rooms make no system call by a function of libc, for three reasons. The library exports some of
 * these functions itself (prctl, syscall, sigtimedwait, ...), and would call its own wrapper. Others are
 * cancellation points (open, read, ...), and malloc must be none. And all of them write errno, which
 * malloc and free leave alone.
 *
 * system_call_make makes the call `number` and returns the kernel's answer: a failed call returns the
 * error's number with a minus (-ENOMEM), and errno stays as it is. Safe in any thread and in a signal
 * handler. A unit test may define this function itself, and then sees each call of the rooms.
 */
INTERNAL long system_call_make(long number, long a, long b, long c, long d, long e, long f);

/* system_call(number, arguments...) makes the call with up to six integers or pointers; the arguments
 * that are left out are 0. */
#define system_call(...)                               SYSTEM_CALL_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define SYSTEM_CALL_PAD(number, a, b, c, d, e, f, ...) SYSTEM_CALL_CAST(number, a, b, c, d, e, f)
#define SYSTEM_CALL_CAST(number, a, b, c, d, e, f)                                                                     \
    system_call_make((long)(number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
