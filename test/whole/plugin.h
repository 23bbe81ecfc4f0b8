/* A plug-in that the case loads and unloads. It calls the malloc that the dynamic linker binds it to. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PLUGIN_H
#define SOCKMALLOC_TEST_PLUGIN_H

#include <stddef.h>

void *plugin_take(size_t size);
void plugin_give(void *address);

/* A function of the plug-in that has the name of jemalloc's own call. It returns static memory. */
void *mallocx(size_t size, int flags);

typedef void *plugin_take_call(size_t size);
typedef void plugin_give_call(void *address);

/* Returns the calling thread's thread-local storage of the plug-in, which libc allocates at the first call. */
char *plugin_touch(void);
typedef char *plugin_touch_call(void);

#endif
