/* A piece of memory, by its start and its size: what one room tells another without saying more. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REGION_H
#define SOCKMALLOC_REGION_H

#include <stddef.h>

struct region {
    void *start;
    size_t size;
};

#endif
