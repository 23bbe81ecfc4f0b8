/* The fall-through: every call to mimalloc, in one place. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FALLBACK_H
#define SOCKMALLOC_FALLBACK_H

#include <mimalloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attributes.h"

/*
 * The program's break at birth; before it, an address that no program has. What lies between it and
 * the present break is libc's: mimalloc never uses the break. FALLBACK_HEAP_BITS: log2 of how far
 * from it foreign blocks are looked for, which is further than any libc heap has been seen to grow.
 */
extern INTERNAL uintptr_t fallback_libc_heap;
enum { FALLBACK_HEAP_BITS = 36 };

/*
 * Foreign blocks: those that libc's own malloc issued, to a library that was loaded with
 * RTLD_DEEPBIND, say. To mimalloc's free such an address is fatal, since it reads a header at a
 * guessed place. So addresses near the break are looked at twice, and libc's go back to libc. Any
 * other address that nobody issued (of a static object, of the stack) is the program's fault, and
 * mimalloc's to find or not: asking mimalloc whether it knows an address costs more than all the
 * rest of a small free.
 */
FAST_PATH bool fallback_may_be_foreign(const void *address)
{
    return ((uintptr_t)address - fallback_libc_heap) >> FALLBACK_HEAP_BITS == 0;
}

INTERNAL void fallback_give_doubtful(void *address);
INTERNAL void *fallback_resize_doubtful(void *address, size_t request);
INTERNAL size_t fallback_usable_size_doubtful(const void *address);

/* NULL, with errno set to ENOMEM: mimalloc does not report every refusal of its calloc and aligned
 * calls. */
INTERNAL void *fallback_refuse(void);

/*
 * Thin by intent: with -fno-plt each is a jump through the global offset table, which is what a
 * small request pays on top of plain mimalloc. Where mimalloc returns NULL it has set errno to
 * ENOMEM by the handler that fallback_open registers. Everything here works before birth.
 */
FAST_PATH void *fallback_take(size_t request)
{
    return mi_malloc(request);
}

static inline void *fallback_take_zeroed(size_t count, size_t size)
{
    void *address = mi_calloc(count, size);
    return LIKELY(address != NULL) ? address : fallback_refuse();
}

static inline void *fallback_take_aligned(size_t alignment, size_t request)
{
    void *address = mi_malloc_aligned(request, alignment);
    return LIKELY(address != NULL) ? address : fallback_refuse();
}

static inline void *fallback_resize(void *address, size_t request)
{
    return UNLIKELY(fallback_may_be_foreign(address)) ? fallback_resize_doubtful(address, request)
                                                      : mi_realloc(address, request);
}

FAST_PATH void fallback_give(void *address)
{
    if (UNLIKELY(fallback_may_be_foreign(address))) {
        fallback_give_doubtful(address);
        return;
    }
    mi_free(address);
}

static inline size_t fallback_usable_size(const void *address)
{
    return UNLIKELY(fallback_may_be_foreign(address)) ? fallback_usable_size_doubtful(address)
                                                      : mi_usable_size(address);
}

static inline size_t fallback_good_size(size_t request)
{
    return mi_good_size(request);
}

/* Gives back what mimalloc can spare without a walk through all its heaps. */
static inline void fallback_trim(void)
{
    mi_collect(false);
}

/* At birth: makes mimalloc's failures set errno, and notes where libc's heap begins. */
INTERNAL void fallback_open(void);

#endif
