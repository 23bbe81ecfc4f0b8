/* Whether the process has shut itself in since its birth. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "seal.h"

#include "os.h"

static bool born_filtered;

void seal_open(void)
{
    born_filtered = os_is_filtered();
}

bool seal_is_shut(void)
{
    return !born_filtered && os_is_filtered();
}
