/*
 * Gets from the kernel which pages of this process are in memory, for residency_measure. The command `sockmalloc` is
 * built without this file. It has another one, which finds out which pages of the measured process are in memory.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/residency.h"
#include "os/os.h"

bool residency_ask(const char *start, size_t size, unsigned char *pages)
{
    return os_residency(start, size, pages);
}
