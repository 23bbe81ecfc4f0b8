/* Restartable sequences: one store into the record of the processor that a thread runs on, or none.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "percpu/rseq.h"

/*
 * glibc's, from 2.35 on. Declared here and weak, not by <sys/rseq.h>: with an older glibc, or
 * another libc, their addresses are NULL. A weak reference alone binds the library neither to the
 * symbols' version nor to the dynamic linker, where they live.
 */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

ptrdiff_t rseq_area_offset(void)
{
    return &__rseq_offset != NULL ? __rseq_offset : 0;
}

bool rseq_available(void)
{
    if (!RSEQ_IS_KNOWN || &__rseq_offset == NULL || &__rseq_size == NULL || __rseq_size == 0) {
        return false;
    }
    return (int32_t)rseq_run_number(__rseq_offset) >= 0;
}
