/* A piece of memory: its start and its size. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SPAN_H
#define SOCKMALLOC_SPAN_H

#include <stddef.h>

struct span {
    void *start;
    size_t size;
};

#endif
