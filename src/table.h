/* A table in reserved address space that becomes usable from its start on, by need and for good. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TABLE_H
#define SOCKMALLOC_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Grows by mprotect from the front, so it is two mappings however long it gets. Any thread may make
 * it grow at any time without a lock: two that do so at once make the same pages writable twice.
 */
struct table {
    char *start;
    size_t limit;         /* bytes reserved */
    size_t step;          /* bytes that it grows by at least */
    _Atomic size_t ready; /* bytes usable so far; only ever rises */
};

/* Lays a table over reserved pages. At birth, by one thread. */
void table_open(struct table *table, char *start, size_t limit, size_t step);

/* Makes the first `size` bytes usable. False if they exceed the limit or the kernel refuses. */
bool table_grow(struct table *table, size_t size);

/* Whether the first `size` bytes are usable, making them so where they are not. */
static inline bool table_reach(struct table *table, size_t size)
{
    return size <= atomic_load_explicit(&table->ready, memory_order_acquire) ||
           table_grow(table, size);
}

#endif
