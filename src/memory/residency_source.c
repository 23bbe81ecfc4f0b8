/*
 * Gets from the kernel which pages of this process are in memory, for residency_measure. The command `sockmalloc` is
 * built with another file in place of this one, which does so for the process that the command measures.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/residency.h"
#include "os/os.h"

bool residency_ask(const char *start, size_t size, unsigned char *pages)
{
    return os_residency(start, size, pages);
}
