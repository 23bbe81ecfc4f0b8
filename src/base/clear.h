/* Sets memory to zero, and prefetches the cache lines ahead while it does. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CLEAR_H
#define SOCKMALLOC_CLEAR_H

#include <stddef.h>

#include "base/attributes.h"

/*
 * Sets `size` bytes to zero and returns `start`, as memset does. calloc uses it for a slot that was in use before.
 * Safe in any thread and in signal handlers.
 */
INTERNAL void *clear_memory(void *start, size_t size);

#endif
