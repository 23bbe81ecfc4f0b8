/* Stands in for os/system_call.c in a test: a function of the test answers each madvise in place of the kernel. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/advice.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/system_call.h"

static long (*advice_answered)(char *start, size_t size, int advice);

void advice_answer(long (*answer)(char *start, size_t size, int advice))
{
    advice_answered = answer;
}

static bool together;
static _Atomic unsigned together_calls;

void advice_allow_together(void)
{
    together = true;
}

unsigned advice_together_calls(void)
{
    return atomic_load(&together_calls);
}

static long advice_pass(long number, long a, long b, long c, long d, long e, long f)
{
    long result = syscall(number, a, b, c, d, e, f);
    return result != -1 ? result : -errno;
}

static long advice_one(char *start, size_t size, int advice)
{
    long result = advice_answered != NULL ? advice_answered(start, size, advice) : ADVICE_TO_KERNEL;
    return result == ADVICE_TO_KERNEL ? advice_pass(SYS_madvise, (long)start, (long)size, advice, 0, 0, 0) : result;
}

/* Acts as process_madvise does: gives the advice for each range in turn, and stops at the first range that is
 * refused. Returns how many bytes the ranges before that one have, or the error if the first range is refused. */
static long advice_several(const struct iovec *range, size_t count, int advice)
{
    long sum = 0;
    atomic_fetch_add(&together_calls, 1);
    for (size_t i = 0; i < count; i++) {
        long result = advice_one(range[i].iov_base, range[i].iov_len, advice);
        if (result != 0) {
            return sum > 0 ? sum : result;
        }
        sum += (long)range[i].iov_len;
    }
    return sum;
}

long system_call_make(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_madvise) {
        return advice_one((char *)a, (size_t)b, (int)c);
    }
#ifdef SYS_process_madvise
    if (number == SYS_process_madvise) {
        return together ? advice_several((const struct iovec *)b, (size_t)c, (int)d) : -ENOSYS;
    }
#endif
    return advice_pass(number, a, b, c, d, e, f);
}
