/* The fall-through: every call to mimalloc, in one place. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "fallback.h"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

uintptr_t fallback_libc_heap = (uintptr_t)1 << 63;

/* libc's own functions, behind the names that are ours. */
struct libc_functions {
    void (*free)(void *address);
    void *(*realloc)(void *address, size_t request);
    size_t (*usable_size)(void *address);
};

/*
 * mimalloc reports a size that no block can have and a count that overflows as EOVERFLOW, and a
 * bad alignment as EINVAL or EOVERFLOW; to the program all of them are memory that is not to be
 * had. Its other reports (EAGAIN, EFAULT: a double or a foreign free that it noticed) come from
 * free, which keeps errno.
 */
static void fallback_note_error(int error, void *argument)
{
    (void)argument;
    if (error == ENOMEM || error == EOVERFLOW || error == EINVAL) {
        errno = ENOMEM;
    }
}

COLD void *fallback_refuse(void)
{
    errno = ENOMEM;
    return NULL;
}

void fallback_open(void)
{
    int kept = errno;
    mi_register_error(fallback_note_error, NULL);
    fallback_libc_heap = (uintptr_t)sbrk(0);
    errno = kept;
}

/*
 * Whether libc issued the block; then `libc` has its functions. They are looked up by libc's own
 * handle, since a look-up in the order of libraries could find another allocator, and each time,
 * since most processes never meet such a block and none should pay for it at birth. Not
 * signal-safe: dlsym may wait for a lock.
 */
static bool fallback_is_foreign(const void *address, struct libc_functions *libc)
{
    void *handle = (uintptr_t)address < (uintptr_t)sbrk(0)
                       ? dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD)
                       : NULL;
    if (handle == NULL) {
        return false;
    }
    libc->free = (void (*)(void *))dlsym(handle, "free");
    libc->realloc = (void *(*)(void *, size_t))dlsym(handle, "realloc");
    libc->usable_size = (size_t(*)(void *))dlsym(handle, "malloc_usable_size");
    dlclose(handle);
    return libc->free != NULL && libc->realloc != NULL && libc->usable_size != NULL;
}

COLD void fallback_give_doubtful(void *address)
{
    struct libc_functions libc;
    int kept = errno;
    if (fallback_is_foreign(address, &libc)) {
        libc.free(address);
    } else {
        mi_free(address);
    }
    errno = kept;
}

COLD void *fallback_resize_doubtful(void *address, size_t request)
{
    struct libc_functions libc;
    return fallback_is_foreign(address, &libc) ? libc.realloc(address, request)
                                               : mi_realloc(address, request);
}

COLD size_t fallback_usable_size_doubtful(const void *address)
{
    struct libc_functions libc;
    /* The cast: libc's prototype lacks a const that its man page would grant. */
    return fallback_is_foreign(address, &libc) ? libc.usable_size((void *)(uintptr_t)address)
                                               : mi_usable_size(address);
}
