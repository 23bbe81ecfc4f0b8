/* The compiler attributes that the rooms use, each under a word that says why it is there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ATTRIBUTES_H
#define SOCKMALLOC_ATTRIBUTES_H

#include <stddef.h>

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Seldom run: kept out of line, away from the fast paths' cache lines. */
#define COLD __attribute__((cold, noinline))

/* A slow path that is not rare enough to be cold: out of line only. */
#define OUT_OF_LINE __attribute__((noinline))

/* Part of the library's interface; all else is hidden by -fvisibility=hidden. */
#define EXPORTED __attribute__((visibility("default")))

/* The same of an object, and the library's own accesses go to its own one, also where another
 * library of that process exports the name, too. */
#define EXPORTED_OBJECT __attribute__((visibility("protected")))

/* Part of a fast path: inlined whatever the compiler thinks of its size, so that a call of ours
 * costs no second call. */
#define FAST_PATH static inline __attribute__((always_inline))

/*
 * Keeps the compiler from looking behind a value. gcc turns base + offset + 64 * number into base +
 * 64 * (number + offset / 64), and so computes one index for each structure that a fast path
 * indexes by the same number.
 */
static inline size_t opaque(size_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

/*
 * A function whose __builtin_prefetch for writing shall be one: lines come as the processor's own,
 * where a read's may have to be asked for again. Without the word gcc and clang fall back to a
 * read, for the first processors of 2004 that have x86-64 and lack prefetchw: all others take it,
 * and who has no use for it does nothing.
 */
#if defined __x86_64__
#define FETCHES_TO_WRITE __attribute__((target("prfchw")))
#else
#define FETCHES_TO_WRITE
#endif

/* Whoever called the function that it is written in, or that this one is inlined into: an address
 * behind the call. */
#define CALLER __builtin_return_address(0)

/* A name that rooms share and programs don't see: said at declarations too, so that no access goes
 * by the GOT. */
#define INTERNAL __attribute__((visibility("hidden")))

/* Two things that different threads write must not share one of these. */
enum { CACHE_LINE = 64 };

#endif
