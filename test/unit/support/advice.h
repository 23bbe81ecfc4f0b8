/* Replaces os/system_call.c in a test: the test answers each madvise in place of the kernel. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ADVICE_H
#define SOCKMALLOC_TEST_ADVICE_H

#include <stddef.h>

/* The test's function returns this value if the kernel shall do the call. */
enum { ADVICE_TO_KERNEL = 1 };

/* Sets the function that is called in place of each madvise, and for each range of a process_madvise. If the function
 * returns 0 or a negative error number, that is the result, and the kernel sees nothing of the call. If it returns
 * ADVICE_TO_KERNEL the kernel does the call. Any thread may call the function. */
void advice_answer(long (*answer)(char *start, size_t size, int advice));

/* Makes process_madvise succeed from now on, whatever the kernel can do. Before this call it fails with ENOSYS. */
void advice_allow_together(void);

/* Returns how many calls of process_madvise there were since advice_allow_together. */
unsigned advice_together_calls(void);

#endif
