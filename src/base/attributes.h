/*
 * Gives names to the compiler attributes that the library uses. Each name says for what the library uses the attribute.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ATTRIBUTES_H
#define SOCKMALLOC_ATTRIBUTES_H

#include <stddef.h>

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/*
 * Marks a function that seldom runs, such as one that only start-up calls. The compiler keeps the function out of line,
 * so that its code takes no space in the cache lines of the fast paths. The linker puts all such functions next to each
 * other, so that start-up touches few pages of code.
 */
#define COLD __attribute__((cold, noinline))

/*
 * Marks a large object that is zero at first and that start-up does not touch. Where the compiler has a second section
 * for zeroed objects (.lbss), the large object lies there. Clang 14 has no such section, and would write the zeros into
 * the library's file, so the macro is empty there. The small objects, which start-up writes to, lie together on few
 * pages if no large object lies between them. The objects that start-up makes read-only (FROZEN_OBJECT) lie in .lbss
 * too, and no large object may lie between two of them. So the files that have a FROZEN_OBJECT are linked before all
 * files of the lower folders that have a LARGE_OBJECT; Makefile.am lists the files in this order.
 */
#if defined __x86_64__ && !defined __clang__
#define LARGE_OBJECT __attribute__((section(".lbss")))
#else
#define LARGE_OBJECT
#endif

/* Marks a slow path that runs too often to be marked COLD. The compiler only keeps the function out of line. */
#define OUT_OF_LINE __attribute__((noinline))

/* Marks a function of the library's public interface. All other functions are hidden by -fvisibility=hidden. */
#define EXPORTED __attribute__((visibility("default")))

/*
 * Marks a variable of the library's public interface. The library itself always uses its own variable, even if another
 * library in the process exports one under the same name.
 */
#define EXPORTED_OBJECT __attribute__((visibility("protected")))

/*
 * Marks a function that is a part of a fast path. The compiler must inline the function whatever its size, so that
 * malloc and free call no further function there.
 */
#define FAST_PATH static inline __attribute__((always_inline))

/*
 * Returns `value`, and hides from the compiler how it was computed. Otherwise gcc turns base + offset + 64 * number
 * into base + 64 * (number + offset / 64). A fast path that indexes several structures by the same number would then
 * compute the sum in parentheses for each structure.
 */
static inline size_t opaque(size_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

/*
 * Marks a function that prefetches memory which is about to be written. With this attribute, __builtin_prefetch for
 * writing becomes the instruction prefetchw, which fetches a cache line for exclusive use. Without the attribute, gcc
 * and clang emit a prefetch for reading, because the first x86-64 processors of 2004 lack prefetchw. Later processors
 * accept the instruction, and those that have no use for it ignore it.
 */
#if defined __x86_64__
#define FETCHES_TO_WRITE __attribute__((target("prfchw")))
#else
#define FETCHES_TO_WRITE
#endif

/*
 * Marks a function that writes to pages which it has just mapped by a system call of its own, without libc.
 * ThreadSanitizer does not notice that call. Without this attribute it would report a race with another thread that
 * wrote to these addresses before it unmapped them.
 */
#define IN_FRESH_PAGES __attribute__((no_sanitize("thread")))

/*
 * The return address of the function in which CALLER is written: the address just behind the call instruction in the
 * calling function. If the function with CALLER is inlined, this is the return address of the function around it.
 */
#define CALLER __builtin_return_address(0)

/*
 * Marks a function or variable that several files of the library share and that programs cannot see. Declarations are
 * marked too, so that no access goes through the global offset table.
 */
#define INTERNAL __attribute__((visibility("hidden")))

/*
 * UNDER_THREAD_SANITIZER is true if the code is compiled with ThreadSanitizer: gcc says so by a macro, clang by a
 * feature.
 */
#if defined __has_feature
#if __has_feature(thread_sanitizer)
#define UNDER_THREAD_SANITIZER true
#endif
#endif
#if defined __SANITIZE_THREAD__
#define UNDER_THREAD_SANITIZER true
#endif
#if !defined UNDER_THREAD_SANITIZER
#define UNDER_THREAD_SANITIZER false
#endif

/* The size of a cache line in bytes. Two variables that different threads write must not lie in one cache line. */
enum { CACHE_LINE = 64 };

#endif
