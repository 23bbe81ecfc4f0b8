/* Calls mimalloc, which serves the requests that neither the pools nor mapped blocks, packed slots or message pages
 * serve. No other file of the library calls mimalloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FALLBACK_H
#define SOCKMALLOC_FALLBACK_H

#include <mimalloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * Returns true if the address lies in the program's heap, between its break at start-up and its break now, where libc's
 * own malloc has blocks. Such foreign blocks exist if an object looked malloc up in libc by dlsym, or was loaded with
 * RTLD_DEEPBIND under SOCKMALLOC_DEEPBIND=1. mimalloc never uses these addresses, and foreign blocks are freed by libc.
 */
INTERNAL bool fallback_is_foreign(const void *address);

/*
 * Returns true if certainly no allocator has returned the address. That is so if the address lies on the stack of the
 * main thread or of the calling thread, in the program, in a library or in the first 64 KiB, or if it is not a multiple
 * of 8. Makes no system call. Returns false before start-up.
 */
INTERNAL bool fallback_is_stray(const void *address);

/* These functions free and resize a foreign block and return its usable size, by libc's own functions. A foreign block
 * is one that libc's malloc allocated. The functions are not signal-safe, because dlsym may wait for a lock. */
INTERNAL void fallback_free_foreign(void *address);
INTERNAL void *fallback_resize_foreign(void *address, size_t request);
INTERNAL size_t fallback_usable_size_foreign(const void *address);

/* Makes the library unmap free slots, from now on, whenever the kernel has refused memory to mimalloc, before mimalloc
 * tries again. It is called when memory is limited or was refused. Any thread may call it. */
INTERNAL void fallback_expect_refusals(void);

/* Returns NULL, and sets errno to ENOMEM. It is called after mimalloc has failed, because mimalloc does not report
 * every failure of its calloc and its aligned functions. */
INTERNAL void *fallback_refuse(void);

/*
 * The functions below do hardly more than call mimalloc. With -fno-plt each call is a jump through the global offset
 * table. A small request costs only this jump more than a direct use of mimalloc would. When mimalloc returns NULL, the
 * handler that fallback_open registers has set errno to ENOMEM. All these functions work before the library has
 * started.
 */
FAST_PATH void *fallback_alloc(size_t request)
{
    return mi_malloc(request);
}

static inline void *fallback_alloc_zeroed(size_t count, size_t size)
{
    void *address = mi_calloc(count, size);
    return LIKELY(address != NULL) ? address : fallback_refuse();
}

/* Frees `address`, a block of mimalloc's that is not aligned as requested, and returns an aligned block in its place.
 * Returns NULL with errno set to ENOMEM if there is none. */
INTERNAL void *fallback_align(void *address, size_t alignment, size_t request);

/* Returns true if the block is aligned as requested. mimalloc.h tells the compiler that it always is, so `opaque` hides
 * where the address comes from; otherwise the compiler would remove the test. */
static inline bool fallback_is_aligned(const void *address, size_t alignment)
{
    return (opaque((uintptr_t)address) & (alignment - 1)) == 0;
}

/* Allocates from mimalloc; `alignment` is a power of two. */
static inline void *fallback_alloc_aligned(size_t alignment, size_t request)
{
    void *address = mi_malloc_aligned(request, alignment);
    if (UNLIKELY(address == NULL)) {
        return fallback_refuse();
    }
    return LIKELY(fallback_is_aligned(address, alignment)) ? address : fallback_align(address, alignment, request);
}

static inline void *fallback_resize(void *address, size_t request)
{
    return UNLIKELY(fallback_is_foreign(address)) ? fallback_resize_foreign(address, request)
                                                  : mi_realloc(address, request);
}

/* Frees a block of mimalloc's. The caller must have made sure that it is not a block of libc. */
FAST_PATH void fallback_free(void *address)
{
    mi_free(address);
}

static inline size_t fallback_usable_size(const void *address)
{
    return UNLIKELY(fallback_is_foreign(address)) ? fallback_usable_size_foreign(address) : mi_usable_size(address);
}

static inline size_t fallback_good_size(size_t request)
{
    return mi_good_size(request);
}

/* Makes mimalloc give back the memory that it can give back without a walk through all its heaps. Does nothing in the
 * child of a process that had several threads. */
INTERNAL void fallback_trim(void);

/* Makes mimalloc walk through the calling thread's heap, and give back all its free memory but one segment. Does
 * nothing in the child of a process that had several threads. */
INTERNAL void fallback_collect(void);

/*
 * fallback_before_fork runs in the parent, fallback_after_fork in the child. mimalloc has no lock, but in three places
 * it waits until another thread has finished a step. If that thread does not exist in the child, the child would wait
 * for ever. So, with one exception, the child of a process with several threads avoids what leads to these places: it
 * collects no heaps, not even when its thread ends, and gives no pages of segments back. The price is memory that such
 * a child, and its children, keep. The exception, which cannot be avoided, is the free of a block of more than 16 MiB,
 * which has a segment to itself: it waits if at the fork another thread was just taking over the segments of an ended
 * thread.
 */
INTERNAL void fallback_before_fork(void);
INTERNAL void fallback_after_fork(void);

/* Prepares mimalloc: from now on its failures set errno. Also stores where libc's heap begins and where the main
 * thread's stack lies. The library calls it at start-up. */
INTERNAL void fallback_open(void);

#endif
