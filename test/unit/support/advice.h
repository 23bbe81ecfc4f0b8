/* Stands in for os/system_call.c in a test: a function of the test answers each madvise in place of the kernel. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ADVICE_H
#define SOCKMALLOC_TEST_ADVICE_H

#include <stddef.h>

/* The function that a test sets by advice_answer returns this value if the kernel shall do the call. */
enum { ADVICE_TO_KERNEL = 1 };

/*
 * Sets the function that answers each madvise, and each range of a process_madvise, in place of the kernel. If the
 * function returns 0 or a negative error number, that is the result of the call, and the kernel gets no call. If the
 * function returns ADVICE_TO_KERNEL, the kernel does the call. Any thread may call the function.
 */
void advice_answer(long (*answer)(char *start, size_t size, int advice));

/* From now on process_madvise discards ranges, even if the kernel has no such call. Before that, process_madvise fails
 * with ENOSYS. */
void advice_allow_together(void);

/* Returns how many calls of process_madvise the library has made since advice_allow_together. */
unsigned advice_together_calls(void);

#endif
