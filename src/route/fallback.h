/* The fall-through: every call to mimalloc, in one place. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FALLBACK_H
#define SOCKMALLOC_FALLBACK_H

#include <mimalloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * Foreign blocks: those that libc's own malloc issued, to an object that asked libc by dlsym, or
 * that was loaded with RTLD_DEEPBIND under SOCKMALLOC_DEEPBIND=1. They lie below the program's
 * break, which mimalloc never uses, and go back to libc.
 */
INTERNAL bool fallback_is_foreign(const void *address);

/*
 * Returns true if it is certain that no allocator has issued the address: it lies on the main
 * thread's or the calling thread's stack, in the program or a library, or in the first pages, or it
 * is odd. Nothing is asked of the kernel.
 */
INTERNAL bool fallback_is_stray(const void *address);

/* free, realloc and malloc_usable_size of a foreign block, by libc's own functions. Not
 * signal-safe: dlsym may wait. */
INTERNAL void fallback_free_foreign(void *address);
INTERNAL void *fallback_resize_foreign(void *address, size_t request);
INTERNAL size_t fallback_usable_size_foreign(const void *address);

/*
 * Has mimalloc, wherever the kernel refuses it memory from now on, make room by what the pools have
 * free before it tries once more. Where memory is limited, or was refused. Any thread.
 */
INTERNAL void fallback_expect_refusals(void);

/* NULL, with errno set to ENOMEM: mimalloc does not report every refusal of its calloc and aligned
 * calls. */
INTERNAL void *fallback_refuse(void);

/*
 * Thin by intent: with -fno-plt each is a jump through the global offset table, which is what a
 * small request pays on top of plain mimalloc. Where mimalloc returns NULL it has set errno to
 * ENOMEM by the handler that fallback_open registers. Everything here works before start.
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

/* Frees `address`, which mimalloc issued and which is not aligned, and returns an aligned block in
 * its place. Returns NULL and sets errno to ENOMEM if there is none. */
INTERNAL void *fallback_align(void *address, size_t alignment, size_t request);

/* Returns true if the block is aligned as it was asked for. mimalloc.h promises that to the
 * compiler, which would therefore leave the test out if it knew where the address comes from. */
static inline bool fallback_is_aligned(const void *address, size_t alignment)
{
    return (opaque((uintptr_t)address) & (alignment - 1)) == 0;
}

/* `alignment` is a power of two. */
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

/* The caller has seen to foreign blocks. */
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

/* Gives back what mimalloc can spare without a walk through all its heaps. Nothing in the child of
 * a fork of several threads. */
INTERNAL void fallback_trim(void);

/*
 * Around a fork; the second in the child. mimalloc has no lock, but it waits in three places for
 * other threads to finish a step, and a thread that stood in such a step when the process was
 * forked never finishes it in the child. Where there were several threads, the child therefore
 * never does what leads to these places: it collects nothing, when its one thread ends either, and
 * gives no segments' pages back. The price is memory that such a child, and its children, keep. One
 * way is left that nothing can close: freeing a block that has a segment to itself, of more than
 * 16 MiB, waits for whoever was just taking over what an ended thread left.
 */
INTERNAL void fallback_before_fork(void);
INTERNAL void fallback_after_fork(void);

/* At start: makes mimalloc's failures set errno, and notes where libc's heap begins. */
INTERNAL void fallback_open(void);

#endif
