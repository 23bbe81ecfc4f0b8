/* Defines struct span, which describes a piece of memory by its start and its size in bytes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SPAN_H
#define SOCKMALLOC_SPAN_H

#include <stddef.h>

struct span {
    void *start;
    size_t size;
};

#endif
