/* Finds the area that glibc registers for each thread for restartable sequences (rseq), if there is one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "percpu/rseq.h"

/*
 * glibc has these symbols from version 2.35 on. They are declared here as weak symbols and not by <sys/rseq.h>, so that
 * their addresses are NULL with an older glibc or another libc. So the library also runs without that version of glibc,
 * and without glibc's dynamic linker, which defines the symbols.
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
