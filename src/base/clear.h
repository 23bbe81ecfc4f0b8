/* Memory set to zero, the lines ahead being fetched meanwhile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CLEAR_H
#define SOCKMALLOC_CLEAR_H

#include <stddef.h>

#include "base/attributes.h"

/* memset of `size` bytes to zero, and what memset returns: for a used slot that calloc hands out.
 * Any thread, any signal. */
INTERNAL void *clear_memory(void *start, size_t size);

#endif
