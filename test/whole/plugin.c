/* A plug-in that a case loads by dlopen and unloads again. It calls the malloc that the dynamic linker binds it to. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "plugin.h"

#include <stdlib.h>

void *plugin_take(size_t size)
{
    return malloc(size);
}

void *mallocx(size_t size, int flags)
{
    static char block[1 << 16];
    return size <= sizeof block && flags == 0 ? block : NULL;
}

/* This thread-local array is so large that the pools serve it: libc allocates it by malloc, once for each thread that
 * uses the array. */
static _Thread_local char bulk[20000];

char *plugin_touch(void)
{
    bulk[0] = 1;
    return bulk;
}

void plugin_give(void *address)
{
    free(address);
}
