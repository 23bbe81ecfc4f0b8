/* Restartable sequences on machines for which the library has no assembly: each operation fails. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RSEQ_NONE_H
#define SOCKMALLOC_RSEQ_NONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RSEQ_IS_KNOWN = 0 };

static inline uint32_t rseq_run_number(ptrdiff_t area)
{
    (void)area;
    return UINT32_MAX;
}

static inline void *rseq_run_pop(char *first, size_t count, ptrdiff_t area)
{
    (void)first, (void)count, (void)area;
    return NULL;
}

static inline bool rseq_run_push(char *first, size_t count, ptrdiff_t area, void *slot, uint32_t limit)
{
    (void)first, (void)count, (void)area, (void)slot, (void)limit;
    return false;
}

static inline bool rseq_run_swap(char *first, size_t count, ptrdiff_t area, void **old, void **wanted)
{
    (void)first, (void)count, (void)area, (void)old, (void)wanted;
    return false;
}

static inline bool rseq_run_add(char *first, size_t count, ptrdiff_t area, uint64_t amount)
{
    (void)first, (void)count, (void)area, (void)amount;
    return false;
}

#endif
