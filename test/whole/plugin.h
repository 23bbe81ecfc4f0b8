/* A plug-in that a case loads by dlopen and unloads again. It calls the malloc that the dynamic linker binds it to. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PLUGIN_H
#define SOCKMALLOC_TEST_PLUGIN_H

#include <stddef.h>

void *plugin_take(size_t size);
void plugin_give(void *address);

/* A function with the name of one that only jemalloc exports, so that the process seems to have jemalloc. It returns
 * static memory. */
void *mallocx(size_t size, int flags);

typedef void *plugin_take_call(size_t size);
typedef void plugin_give_call(void *address);

/*
 * Returns the plug-in's thread-local array of the calling thread. libc allocates this array at the thread's first call.
 */
char *plugin_touch(void);
typedef char *plugin_touch_call(void);

#endif
