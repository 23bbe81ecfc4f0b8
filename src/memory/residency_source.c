/*
 * Asks the kernel which pages of this process are in memory, for residency_measure. The command `sockmalloc` has
 * another file in place of this one, which asks about the process that it measures.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/residency.h"
#include "os/os.h"

bool residency_ask(const char *start, size_t size, unsigned char *pages)
{
    return os_residency(start, size, pages);
}
