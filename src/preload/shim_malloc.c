/* Exports malloc and its relatives, under every name that libc and mimalloc have for them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "config/option.h"
#include "os/os.h"
#include "route/route.h"

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
    return route_alloc(request, NULL);
}

EXPORTED void free(void *address)
{
    route_free("free", address);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    return route_alloc_zeroed(count, size, CALLER);
}

EXPORTED void *realloc(void *address, size_t request)
{
    return route_realloc("realloc", address, request, CALLER);
}

/*
 * The functions malloc, realloc and free that the program reaches by these names. They are this library's, unless the
 * program or a library that the linker searches earlier has its own. In that case the relatives of malloc in this file
 * must use those too, because a free that is not ours does not know our blocks. Each pointer is NULL until find_all or
 * the first call that needs the function sets it. A constructor of another library may make such a call before find_all
 * has run.
 */
static _Atomic(void *) program_malloc;
static _Atomic(void *) program_realloc;
static _Atomic(void *) program_free;

static void *find_program(_Atomic(void *) *known, const char *name, void *ours)
{
    void *found = atomic_load_explicit(known, memory_order_relaxed);
    if (UNLIKELY(found == NULL)) {
        found = dlsym(RTLD_DEFAULT, name);
        found = found != NULL ? found : ours;
        atomic_store_explicit(known, found, memory_order_relaxed);
    }
    return found;
}

static void *find_malloc(void)
{
    return find_program(&program_malloc, "malloc", (void *)malloc);
}

static void *find_realloc(void)
{
    return find_program(&program_realloc, "realloc", (void *)realloc);
}

static void *find_free(void)
{
    return find_program(&program_free, "free", (void *)free);
}

/* Looks up the program's malloc, realloc and free at start-up, so that later calls need not do it. */
__attribute__((constructor)) static void find_all(void)
{
    find_malloc();
    find_realloc();
    find_free();
}

/*
 * `found` is the function that the program calls by this name, and `ours` is this library's function of that name.
 * Returns true if both are one function, and if the list of blocks in use must record the address of the caller. The
 * library then calls another function of its own, which gets this address. In all other cases the library calls
 * `found`, even if it is ours, because a tool such as valgrind may have put another function at its address.
 */
static bool is_noted(const void *found, const void *ours)
{
    return found == ours && options.number[OPTION_IN_USE] != 0;
}

static void *program_alloc(size_t request, const void *caller)
{
    void *found = find_malloc();
    return is_noted(found, (void *)malloc) ? route_alloc(request, caller) : ((void *(*)(size_t))found)(request);
}

/*
 * Resizes a block for the function `call`. If the block is a slot, calls route_realloc whichever realloc the program
 * has, so that an error message can name the function that the program has called.
 */
static void *program_resize(const char *call, void *address, size_t request, const void *caller)
{
    void *found = find_realloc();
    return region_owns(address) || is_noted(found, (void *)realloc)
               ? route_realloc(call, address, request, caller)
               : ((void *(*)(void *, size_t))found)(address, request);
}

static void program_dealloc(const char *call, void *address)
{
    if (region_owns(address)) {
        route_free(call, address);
    } else {
        ((void (*)(void *))find_free())(address);
    }
}

/* BSD and glibc 2.26: reallocarray is realloc for a product, which is checked for overflow. */
EXPORTED void *reallocarray(void *address, size_t count, size_t size)
{
    size_t request;
    if (__builtin_mul_overflow(count, size, &request)) {
        return refuse(ENOMEM);
    }
    return program_resize("reallocarray", address, request, CALLER);
}

/* BSD: reallocf does what realloc does, and frees the old block if it fails. */
EXPORTED void *reallocf(void *address, size_t request)
{
    void *target = program_resize("reallocf", address, request, CALLER);
    if (target == NULL && request != 0) {
        program_dealloc("reallocf", address);
    }
    return target;
}

/* NetBSD: reallocarr does what reallocarray does, but gets the address of the pointer and stores the new pointer there.
 * It returns an error number and does not change errno. */
EXPORTED int reallocarr(void *pointer, size_t count, size_t size)
{
    int kept = errno;
    void **address = pointer;
    size_t request;
    if (__builtin_mul_overflow(count, size, &request)) {
        return EOVERFLOW;
    }
    void *target = program_resize("reallocarr", *address, request, CALLER);
    errno = kept;
    if (target == NULL && request != 0) {
        return ENOMEM;
    }
    *address = target;
    return 0;
}

static void *take_aligned(size_t alignment, size_t request, const void *caller)
{
    return is_power_of_two(alignment) ? route_alloc_aligned(alignment, request, caller) : refuse(EINVAL);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

/* SunOS has memalign. For an alignment that is no power of two, glibc's function rounds it up, and this one fails with
 * EINVAL; no program is known that relies on the rounding. */
EXPORTED void *memalign(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

EXPORTED void *__libc_memalign(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

/* _aligned_malloc is a function of mimalloc, with the arguments in mimalloc's order. */
EXPORTED void *_aligned_malloc(size_t alignment, size_t request)
{
    return take_aligned(alignment, request, CALLER);
}

/*
 * Stores the address of an aligned block and returns 0, or returns an error number. errno stays unchanged, because the
 * standard says that the error is returned, and does not mention errno.
 */
static int store_aligned(void **address, size_t alignment, size_t request, const void *caller)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0) {
        return EINVAL;
    }
    int kept = errno;
    void *target = route_alloc_aligned(alignment, request, caller);
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
    return route_alloc_aligned(os_page_size(), request, CALLER);
}

/*
 * pvalloc does what valloc does, with the request rounded up to whole pages, and to one page for a request of 0 bytes.
 */
EXPORTED void *pvalloc(size_t request)
{
    if (request > PTRDIFF_MAX) {
        return refuse(ENOMEM); /* refused, because rounding the request up to pages could overflow */
    }
    return route_alloc_aligned(os_page_size(), os_round_to_pages(request > 0 ? request : 1), CALLER);
}

EXPORTED size_t malloc_usable_size(void *address)
{
    return route_usable_size("malloc_usable_size", address);
}

/* macOS and mimalloc have malloc_good_size. It returns the usable size that a request of this size would get. */
EXPORTED size_t malloc_good_size(size_t request)
{
    return route_good_size(request);
}

/*
 * In C23, the caller of free_sized passes the size that it requested. The size is ignored, so a wrong one does no harm:
 * the address alone says where the block belongs.
 */
EXPORTED void free_sized(void *address, size_t size)
{
    (void)size;
    program_dealloc("free_sized", address);
}

EXPORTED void free_aligned_sized(void *address, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    program_dealloc("free_aligned_sized", address);
}

static char *copy_string(const char *string, size_t length, const void *caller)
{
    char *copy = program_alloc(length + 1, caller);
    if (copy != NULL) {
        memcpy(copy, string, length);
        copy[length] = '\0';
    }
    return copy;
}

/* mimalloc 3 exports strdup and strndup too. If a program used those, it would get memory without a call of this
 * library. */
EXPORTED char *strdup(const char *string)
{
    return copy_string(string, strlen(string), CALLER);
}

EXPORTED char *strndup(const char *string, size_t limit)
{
    return copy_string(string, strnlen(string, limit), CALLER);
}

/* cfree and the functions below come from SunOS. The library exports them, because otherwise the names would mean
 * functions of libc or of another allocator, which cannot free a slot. */
EXPORTED void cfree(void *address)
{
    program_dealloc("free", address);
}

EXPORTED void vfree(void *address)
{
    program_dealloc("free", address);
}

/*
 * Second names of the functions above, from SunOS and glibc. mimalloc exports them too, and a call of mimalloc's
 * function would not reach this library.
 */
PUBLIC_ALIAS(malloc_usable_size) size_t malloc_size(void *address);
PUBLIC_ALIAS(malloc) void *__libc_malloc(size_t request);
PUBLIC_ALIAS(calloc) void *__libc_calloc(size_t count, size_t size);
PUBLIC_ALIAS(realloc) void *__libc_realloc(void *address, size_t request);
PUBLIC_ALIAS(free) void __libc_free(void *address);
PUBLIC_ALIAS(free) void __libc_cfree(void *address);
PUBLIC_ALIAS(valloc) void *__libc_valloc(size_t request);
PUBLIC_ALIAS(pvalloc) void *__libc_pvalloc(size_t request);
PUBLIC_ALIAS(reallocarray) void *__libc_reallocarray(void *address, size_t count, size_t size);
