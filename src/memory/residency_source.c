/* Which pages residency_measure measures: those of the process itself. The command replaces this file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/residency.h"
#include "os/os.h"

bool residency_ask(const char *start, size_t size, unsigned char *pages)
{
    return os_residency(start, size, pages);
}
