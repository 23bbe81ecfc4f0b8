/* The fall-through: every call to mimalloc, in one place. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "fallback.h"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

uintptr_t fallback_libc_heap = (uintptr_t)1 << 63;

/* libc's own, behind the names that are ours. NULL: not found, and then foreign blocks are left
 * alone. */
static struct {
    void (*free)(void *address);
    void *(*realloc)(void *address, size_t request);
    size_t (*usable_size)(void *address);
} libc;

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

/* By libc's own handle: a look-up in the order of libraries could find another allocator. */
static void fallback_find_libc(void)
{
    void *handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (handle == NULL) {
        return;
    }
    libc.free = (void (*)(void *))dlsym(handle, "free");
    libc.realloc = (void *(*)(void *, size_t))dlsym(handle, "realloc");
    libc.usable_size = (size_t(*)(void *))dlsym(handle, "malloc_usable_size");
}

void fallback_open(void)
{
    int kept = errno;
    mi_register_error(fallback_note_error, NULL);
    fallback_find_libc();
    fallback_libc_heap = (uintptr_t)sbrk(0);
    errno = kept;
}

static bool fallback_is_foreign(const void *address)
{
    return (uintptr_t)address < (uintptr_t)sbrk(0) && libc.free != NULL && libc.realloc != NULL &&
           libc.usable_size != NULL;
}

COLD void fallback_give_doubtful(void *address)
{
    if (fallback_is_foreign(address)) {
        libc.free(address);
    } else {
        mi_free(address);
    }
}

COLD void *fallback_resize_doubtful(void *address, size_t request)
{
    return fallback_is_foreign(address) ? libc.realloc(address, request)
                                        : mi_realloc(address, request);
}

COLD size_t fallback_usable_size_doubtful(const void *address)
{
    /* The cast: libc's prototype lacks a const that its man page would grant. */
    return fallback_is_foreign(address) ? libc.usable_size((void *)(uintptr_t)address)
                                        : mi_usable_size(address);
}
