/* A piece of memory, by its start and its size: what one room tells another without saying more. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SPAN_H
#define SOCKMALLOC_SPAN_H

#include <stddef.h>

struct span {
    void *start;
    size_t size;
};

#endif
