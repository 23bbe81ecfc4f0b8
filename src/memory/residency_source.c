/* Whose pages residency_measure asks about: those of the process itself. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/residency.h"
#include "os/os.h"

bool residency_ask(const char *start, size_t size, unsigned char *pages)
{
    return os_residency(start, size, pages);
}
