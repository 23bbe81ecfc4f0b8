/* A plug-in that is loaded and unloaded, and calls whichever malloc the loader gives it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PLUGIN_H
#define SOCKMALLOC_TEST_PLUGIN_H

#include <stddef.h>

void *plugin_take(size_t size);
void plugin_give(void *address);

/* As jemalloc's: an allocator's own name, which is not malloc's. Static memory. */
void *mallocx(size_t size, int flags);

typedef void *plugin_take_call(size_t size);
typedef void plugin_give_call(void *address);

/* What each thread has of the plug-in's own, which is made when it is first touched. */
char *plugin_touch(void);
typedef char *plugin_touch_call(void);

#endif
