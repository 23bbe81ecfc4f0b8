/* The system_call room with an madvise that a test answers: linked in place of system_call.c. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ADVICE_H
#define SOCKMALLOC_TEST_ADVICE_H

#include <stddef.h>

/* What an answer returns when the kernel shall do the call. */
enum { ADVICE_TO_KERNEL = 1 };

/*
 * Sets the function that each madvise of the rooms calls first. It returns 0 or an error's number with a minus,
 * and the kernel then sees nothing of the call; or ADVICE_TO_KERNEL. Any thread of the rooms may call it.
 */
void advice_answer(long (*answer)(char *start, size_t size, int advice));

#endif
