/* Maps memory for the rings of tests: it is shared with child processes, and lies between two pages without access. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_RING_MEMORY_H
#define SOCKMALLOC_TEST_RING_MEMORY_H

#include <criterion/criterion.h>
#include <sys/mman.h>

#include "sockmalloc.h"

/* GUARD is the size of a page without access. PARENT and CHILD are the numbers under which the processes of a test
 * hold messages. */
enum { GUARD = 4096, PARENT = 1001, CHILD = 1002 };

/* Maps `length` bytes. A page without access follows directly behind them, and another one lies at most a page in front
 * of them. */
static inline char *ring_memory(size_t length)
{
    size_t whole = (length + GUARD - 1) / GUARD * GUARD;
    char *start = mmap(NULL, whole + 2 * GUARD, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(start, MAP_FAILED);
    cr_assert_eq(mprotect(start + GUARD, whole, PROT_READ | PROT_WRITE), 0);
    return start + GUARD + whole - length;
}

static inline const struct sockmalloc_ring_options *ring_options(size_t chunk_size, uint32_t holder)
{
    static struct sockmalloc_ring_options options;
    options = (struct sockmalloc_ring_options){sizeof options, chunk_size, holder, NULL};
    return &options;
}

static inline struct sockmalloc_ring *ring_of(size_t chunk_size, size_t chunks)
{
    size_t length = sockmalloc_ring_length(chunk_size, chunks);
    struct sockmalloc_ring *ring =
        sockmalloc_ring_create(ring_memory(length), length, ring_options(chunk_size, PARENT));
    cr_assert_not_null(ring);
    return ring;
}

#endif
