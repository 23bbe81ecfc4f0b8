/* Exports every C++ operator new and delete, by its mangled name and without a C++ library. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "config/message.h"
#include "route/route.h"

/*
 * This file is compiled with -fexceptions, because an exception of std::__throw_bad_alloc or of a new-handler passes
 * through these functions. The three functions declared here are weak symbols, because most servers have no C++
 * library. The first two belong to libstdc++, the third to libc++.
 */
typedef void new_handler(void);
typedef void thrower(void);
extern new_handler *std_get_new_handler(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
extern thrower std_throw_bad_alloc __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak));
extern thrower std_1_throw_bad_alloc __asm__("_ZNSt3__117__throw_bad_allocEv") __attribute__((weak));

/* PLAIN stands for an alignment that malloc gives to every block anyway. */
enum { PLAIN = 0 };

/*
 * Allocates a block; does not call the new-handler if there is no memory. `caller` is the address in the program from
 * which the operator was called. It may be NULL if this function is inlined into the operator, because the address can
 * then be found later, by the code that needs it.
 */
FAST_PATH void *new_try(size_t request, size_t alignment, const void *caller)
{
    return alignment == PLAIN ? route_alloc(request, caller)
                              : route_alloc_aligned(alignment, request, caller != NULL ? caller : CALLER);
}

/* Returns a handle for a library that the process has loaded, or NULL. It calls libc's dlopen directly, because the
 * name `dlopen` means the wrapper in shim_load.c, which only programs should call. */
static void *new_open_library(const char *name)
{
    void *(*open)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return open != NULL ? open(name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

/*
 * Returns the function that throws std::bad_alloc, or NULL. Searches the C++ library itself, by its handle, because
 * dlopen may have loaded that library after the weak names were bound.
 */
static thrower *new_find_thrower(void)
{
    static const struct {
        const char *library;
        const char *name;
    } places[] = {{"libstdc++.so.6", "_ZSt17__throw_bad_allocv"}, {"libc++.so.1", "_ZNSt3__117__throw_bad_allocEv"}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        void *handle = new_open_library(places[i].library);
        void *found = handle != NULL ? dlsym(handle, places[i].name) : NULL;
        if (found != NULL) {
            return (thrower *)found;
        }
    }
    return NULL;
}

static COLD void new_throw(void)
{
    thrower *throw_bad_alloc = std_throw_bad_alloc != NULL     ? std_throw_bad_alloc
                               : std_1_throw_bad_alloc != NULL ? std_1_throw_bad_alloc
                                                               : new_find_thrower();
    if (throw_bad_alloc == NULL) {
        message_die(MESSAGE_NO_HANDLER);
    }
    throw_bad_alloc();
}

/*
 * Calls the new-handler and allocates again, as the standard prescribes, until memory is found, the handler throws, or
 * no handler is set. The nothrow forms call the handler too. An exception that the handler throws then passes through
 * to the caller of the nothrow form, where libstdc++ would return NULL.
 */
static COLD void *new_insist(size_t request, size_t alignment, bool throws, const void *caller)
{
    while (std_get_new_handler != NULL) {
        new_handler *handler = std_get_new_handler();
        if (handler == NULL) {
            break;
        }
        handler();
        void *address = new_try(request, alignment, caller);
        if (address != NULL) {
            return address;
        }
    }
    if (throws) {
        new_throw();
    }
    return NULL;
}

FAST_PATH void *new_take(size_t request, size_t alignment, bool throws)
{
    void *address = new_try(request, alignment, NULL);
    return LIKELY(address != NULL) ? address : new_insist(request, alignment, throws, CALLER);
}

/* Mangled names of the Itanium C++ ABI: nw is operator new, na new[], dl delete, da delete[], and m is size_t. */

void *new_one(size_t request) __asm__("_Znwm");
void *new_array(size_t request) __asm__("_Znam");
void *new_one_nothrow(size_t request, const void *tag) __asm__("_ZnwmRKSt9nothrow_t");
void *new_array_nothrow(size_t request, const void *tag) __asm__("_ZnamRKSt9nothrow_t");
void *new_one_aligned(size_t request, size_t alignment) __asm__("_ZnwmSt11align_val_t");
void *new_array_aligned(size_t request, size_t alignment) __asm__("_ZnamSt11align_val_t");
void *new_one_aligned_nothrow(size_t request, size_t alignment,
                              const void *tag) __asm__("_ZnwmSt11align_val_tRKSt9nothrow_t");
void *new_array_aligned_nothrow(size_t request, size_t alignment,
                                const void *tag) __asm__("_ZnamSt11align_val_tRKSt9nothrow_t");

EXPORTED void *new_one(size_t request)
{
    return new_take(request, PLAIN, true);
}

EXPORTED void *new_array(size_t request)
{
    return new_take(request, PLAIN, true);
}

EXPORTED void *new_one_nothrow(size_t request, const void *tag)
{
    (void)tag;
    return new_take(request, PLAIN, false);
}

EXPORTED void *new_array_nothrow(size_t request, const void *tag)
{
    (void)tag;
    return new_take(request, PLAIN, false);
}

EXPORTED void *new_one_aligned(size_t request, size_t alignment)
{
    return new_take(request, alignment, true);
}

EXPORTED void *new_array_aligned(size_t request, size_t alignment)
{
    return new_take(request, alignment, true);
}

EXPORTED void *new_one_aligned_nothrow(size_t request, size_t alignment, const void *tag)
{
    (void)tag;
    return new_take(request, alignment, false);
}

EXPORTED void *new_array_aligned_nothrow(size_t request, size_t alignment, const void *tag)
{
    (void)tag;
    return new_take(request, alignment, false);
}

/*
 * All twelve operators delete are this one function. The address alone says where a block belongs. The other arguments
 * of the sized, aligned and nothrow forms are ignored.
 */
void delete_any(void *address) __asm__("_ZdlPv");

EXPORTED void delete_any(void *address)
{
    route_free("operator delete", address);
}

#define DELETE_ALIAS(name, mangled) EXPORTED void name(void *address) __asm__(mangled) __attribute__((alias("_ZdlPv")))

DELETE_ALIAS(delete_array, "_ZdaPv");
DELETE_ALIAS(delete_one_sized, "_ZdlPvm");
DELETE_ALIAS(delete_array_sized, "_ZdaPvm");
DELETE_ALIAS(delete_one_nothrow, "_ZdlPvRKSt9nothrow_t");
DELETE_ALIAS(delete_array_nothrow, "_ZdaPvRKSt9nothrow_t");
DELETE_ALIAS(delete_one_aligned, "_ZdlPvSt11align_val_t");
DELETE_ALIAS(delete_array_aligned, "_ZdaPvSt11align_val_t");
DELETE_ALIAS(delete_one_sized_aligned, "_ZdlPvmSt11align_val_t");
DELETE_ALIAS(delete_array_sized_aligned, "_ZdaPvmSt11align_val_t");
DELETE_ALIAS(delete_one_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t");
DELETE_ALIAS(delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t");
