/* The one reservation of address space, cut into the tables and the lanes at birth. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "reserve.h"

#include "os.h"

static char *rest;

bool reserve_open(size_t size, char *wished_end)
{
    rest = os_reserve(size, wished_end != NULL ? wished_end - size : NULL);
    return rest != NULL;
}

char *reserve_cut(size_t size)
{
    char *part = rest;
    rest += size;
    return part;
}
