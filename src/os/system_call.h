/* Makes system calls by the machine's own instruction, without libc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SYSTEM_CALL_H
#define SOCKMALLOC_SYSTEM_CALL_H

#include <sys/syscall.h>

#include "base/attributes.h"

/*
 * The library does not make system calls through the functions of libc, for three reasons. The library itself exports
 * some of the functions (prctl, syscall, sigtimedwait, ...), and would call its own wrappers. Others are cancellation
 * points (open, read, ...), and malloc must not be one. And all of them change errno, which malloc and free keep.
 *
 * system_call_make makes the system call `number` and returns the answer of the kernel. A failed call returns the
 * number of the error with a minus (-ENOMEM), and errno stays as it is. Any thread and any signal handler may call the
 * function. A unit test may define system_call_make itself, and then sees every system call.
 */
INTERNAL long system_call_make(long number, long a, long b, long c, long d, long e, long f);

/* system_call(number, arguments...) takes up to six arguments, integers or pointers. Missing arguments are 0. */
#define system_call(...)                               SYSTEM_CALL_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define SYSTEM_CALL_PAD(number, a, b, c, d, e, f, ...) SYSTEM_CALL_CAST(number, a, b, c, d, e, f)
#define SYSTEM_CALL_CAST(number, a, b, c, d, e, f)                                                                     \
    system_call_make((long)(number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
