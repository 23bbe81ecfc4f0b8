/* Replaces os/system_call.c in a test: the test answers each madvise in place of the kernel. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/advice.h"

#include <errno.h>
#include <unistd.h>

#include "os/system_call.h"

static long (*advice_answered)(char *start, size_t size, int advice);

void advice_answer(long (*answer)(char *start, size_t size, int advice))
{
    advice_answered = answer;
}

long system_call_make(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_madvise && advice_answered != NULL) {
        long result = advice_answered((char *)a, (size_t)b, (int)c);
        if (result != ADVICE_TO_KERNEL) {
            return result;
        }
    }
    long result = syscall(number, a, b, c, d, e, f);
    return result != -1 ? result : -errno;
}
