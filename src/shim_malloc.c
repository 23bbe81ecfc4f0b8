/* The shim: malloc and its relatives under every name that libc and mimalloc give them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "attributes.h"
#include "option.h"
#include "os.h"
#include "route.h"

#define PUBLIC_ALIAS(target) EXPORTED __attribute__((alias(#target)))

static bool is_power_of_two(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

static void *refuse(int error)
{
    errno = error;
    return NULL;
}

EXPORTED void *malloc(size_t request)
{
    return route_take(request, NULL);
}

EXPORTED void free(void *address)
{
    route_give("free", address);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    return route_take_zeroed(count, size, CALLER);
}

EXPORTED void *realloc(void *address, size_t request)
{
    return route_resize("realloc", address, request, CALLER);
}

/* BSD, glibc 2.26: realloc whose product may not overflow. */
EXPORTED void *reallocarray(void *address, size_t count, size_t size)
{
    size_t request;
    if (__builtin_mul_overflow(count, size, &request)) {
        return refuse(ENOMEM);
    }
    return route_resize("reallocarray", address, request, CALLER);
}

/* BSD: realloc that frees the block when it fails. */
EXPORTED void *reallocf(void *address, size_t request)
{
    void *target = route_resize("reallocf", address, request, CALLER);
    if (target == NULL && request != 0) {
        route_give("reallocf", address);
    }
    return target;
}

/* NetBSD: reallocarray through a pointer to the pointer; the result is an error number, and errno
 * is kept. */
EXPORTED int reallocarr(void *pointer, size_t count, size_t size)
{
    int kept = errno;
    void **address = pointer;
    size_t request;
    if (__builtin_mul_overflow(count, size, &request)) {
        return EOVERFLOW;
    }
    void *target = route_resize("reallocarr", *address, request, CALLER);
    errno = kept;
    if (target == NULL && request != 0) {
        return ENOMEM;
    }
    *address = target;
    return 0;
}

static void *take_aligned(size_t alignment, size_t request, const void *caller)
{
    return is_power_of_two(alignment) ? route_take_aligned(alignment, request, caller)
                                      : refuse(EINVAL);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

/* SunOS. glibc's rounds a bad alignment up; a caller that relies on that has not been seen. */
EXPORTED void *memalign(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

EXPORTED void *__libc_memalign(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

/* mimalloc's own name, with mimalloc's order of arguments. */
EXPORTED void *_aligned_malloc(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

/* The standard gives the error as the result and says nothing of errno, which is kept. */
static int store_aligned(void **address, size_t alignment, size_t request, const void *caller)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0) {
        return EINVAL;
    }
    int kept = errno;
    void *target = route_take_aligned(alignment, request, caller);
    errno = kept;
    if (target == NULL) {
        return ENOMEM;
    }
    *address = target;
    return 0;
}

EXPORTED int posix_memalign(void **address, size_t alignment, size_t request)
{
    return store_aligned(address, alignment, request, CALLER);
}

EXPORTED int __posix_memalign(void **address, size_t alignment, size_t request)
{
    return store_aligned(address, alignment, request, CALLER);
}

EXPORTED void *valloc(size_t request)
{
    return route_take_aligned(os_page_size(), request, CALLER);
}

/* valloc of whole pages, one at least. */
EXPORTED void *pvalloc(size_t request)
{
    if (request > PTRDIFF_MAX) {
        return refuse(ENOMEM); /* rounding up could overflow */
    }
    return route_take_aligned(os_page_size(), os_round_to_pages(request > 0 ? request : 1), CALLER);
}

EXPORTED size_t malloc_usable_size(void *address)
{
    return route_usable_size("malloc_usable_size", address);
}

/* macOS, mimalloc: the usable size that a request of that size would get. */
EXPORTED size_t malloc_good_size(size_t request)
{
    return route_good_size(request);
}

/*
 * C23: the caller repeats what it asked for. Believed it is not: the block goes back to where its
 * address says, so that a wrong size does no harm.
 */
EXPORTED void free_sized(void *address, size_t size)
{
    (void)size;
    route_give("free_sized", address);
}

EXPORTED void free_aligned_sized(void *address, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    route_give("free_aligned_sized", address);
}

/*
 * Whose malloc the program calls: ours, unless the program or a library before us brings one. Then
 * a copy must come from that one, whose free knows nothing of our blocks.
 */
static void *(*program_malloc)(size_t request) = malloc;

__attribute__((constructor)) static void find_program_malloc(void)
{
    void *found = dlsym(RTLD_DEFAULT, "malloc");
    if (found != NULL) {
        *(void **)&program_malloc = found;
    }
}

/* By malloc's address even where it is ours: a tool such as valgrind may have put another there.
 * Only the list of what is in use must know the caller. */
static void *take_copy(size_t size, const void *caller)
{
    if (program_malloc == malloc && options.number[OPTION_IN_USE] != 0) {
        return route_take(size, caller);
    }
    return program_malloc(size);
}

static char *copy_string(const char *string, size_t length, const void *caller)
{
    char *copy = take_copy(length + 1, caller);
    if (copy != NULL) {
        memcpy(copy, string, length);
        copy[length] = '\0';
    }
    return copy;
}

/* mimalloc 3 exports these two; from there they would lead past us. */
EXPORTED char *strdup(const char *string)
{
    return copy_string(string, strlen(string), CALLER);
}

EXPORTED char *strndup(const char *string, size_t limit)
{
    return copy_string(string, strnlen(string, limit), CALLER);
}

/* The same function under another name: SunOS's and glibc's; mimalloc exports them, so they must
 * not lead past us. */
PUBLIC_ALIAS(free) void cfree(void *address);
PUBLIC_ALIAS(free) void vfree(void *address);
PUBLIC_ALIAS(malloc_usable_size) size_t malloc_size(void *address);
PUBLIC_ALIAS(malloc) void *__libc_malloc(size_t request);
PUBLIC_ALIAS(calloc) void *__libc_calloc(size_t count, size_t size);
PUBLIC_ALIAS(realloc) void *__libc_realloc(void *address, size_t request);
PUBLIC_ALIAS(free) void __libc_free(void *address);
PUBLIC_ALIAS(free) void __libc_cfree(void *address);
PUBLIC_ALIAS(valloc) void *__libc_valloc(size_t request);
PUBLIC_ALIAS(pvalloc) void *__libc_pvalloc(size_t request);
PUBLIC_ALIAS(reallocarray) void *__libc_reallocarray(void *address, size_t count, size_t size);
