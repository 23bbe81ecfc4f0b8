/* The fall-through: every call to mimalloc, in one place. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/fallback.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "base/bounds.h"
#include "os/os.h"
#include "pool/pool.h"

/* The program's break at start; before it, an address that no program has. */
static char *libc_heap = (char *)UINTPTR_MAX;

/* Where the main thread's stack may reach to, and its end. */
static uintptr_t main_stack_start;
static uintptr_t main_stack_end;

#ifdef DLFO_STRUCT_HAS_EH_DBASE
/* glibc 2.35. */
#pragma weak _dl_find_object
#endif

/*
 * mimalloc reports a size that no block can have and a count that overflows as EOVERFLOW, and a
 * bad alignment as EINVAL or EOVERFLOW; to the program all of them are memory that is not to be
 * had. Its other reports (EAGAIN, EFAULT: a double or a foreign free that it noticed) come from
 * free, which keeps errno.
 */
static void fallback_note_error(int error, void *argument)
{
    (void)argument;
    if (error == ENOMEM) {
        fallback_expect_refusals();
    }
    if (error == ENOMEM || error == EOVERFLOW || error == EINVAL) {
        errno = ENOMEM;
    }
}

COLD void *fallback_refuse(void)
{
    errno = ENOMEM;
    return NULL;
}

/*
 * For a request of 256, 512 or 1024 bytes and no larger an alignment, mimalloc 2.0.9 takes any
 * block of that size, because it believes that such blocks lie at multiples of their size. They do
 * not. mi_malloc_aligned_at looks at the address, and takes a larger block where it must. It is not
 * the first choice, because it takes larger blocks for lesser alignments as well, which every block
 * of that size has.
 */
COLD void *fallback_align(void *address, size_t alignment, size_t request)
{
    mi_free(address);
    address = mi_malloc_aligned_at(request, alignment, 0);
    if (address != NULL && !fallback_is_aligned(address, alignment)) {
        mi_free(address);
        address = NULL;
    }
    return address != NULL ? address : fallback_refuse();
}

/*
 * The kernel writes the name of the program's file on the last page of the main thread's stack.
 * From there downwards it leaves as much free as the limit says when the program begins, however
 * large, so 8 MiB are free of other mappings.
 */
static void fallback_find_main_stack(void)
{
    enum { MOST = 8 << 20 };
    uintptr_t last = getauxval(AT_EXECFN);
    if (last > MOST) {
        size_t limit = os_limit(RLIMIT_STACK);
        main_stack_end = (last | (os_page_size() - 1)) + 1;
        main_stack_start = main_stack_end - LESSER(limit, MOST);
    }
}

/* A segment of mimalloc's, and what it maps more to have one aligned. */
enum { FALLBACK_SEGMENT = 64 << 20 };

/* Returns true if the kernel would refuse mimalloc a segment. */
static bool fallback_is_short(void)
{
    char *segment = os_map(FALLBACK_SEGMENT);
    if (segment != NULL) {
        os_release(segment, FALLBACK_SEGMENT);
    }
    return segment == NULL;
}

/*
 * mimalloc calls this before it does a part of its housekeeping; with `force`, where the kernel has
 * refused it memory and it is about to try once more, and at a thread's end, which needs nothing.
 */
static void fallback_make_room(bool force, unsigned long long beat, void *argument)
{
    (void)beat;
    (void)argument;
    if (force && region_is_laid() && fallback_is_short()) {
        pool_return();
    }
}

/* Not from the start: a call in each of mimalloc's housekeepings is some instructions. */
void fallback_expect_refusals(void)
{
    mi_register_deferred_free(fallback_make_room, NULL);
}

void fallback_open(void)
{
    int kept = errno;
    fallback_find_main_stack();
    mi_register_error(fallback_note_error, NULL);
    /* It would look for NUMA nodes at its first block, and where there are several ask at many a
     * block on which it runs. By that it chooses between arenas reserved for nodes, which it has
     * only where the environment asks for them. */
    mi_option_set_default(mi_option_use_numa_nodes, 1);
    libc_heap = os_break();
    errno = kept;
}

/* Whether the process has had several threads; whether this one is a child of such a process. */
static bool forked_with_threads;
static bool thread_lost;

void fallback_before_fork(void)
{
    forked_with_threads = forked_with_threads || os_has_threads();
}

/* mimalloc before 2.1 has a switch, later versions a delay. */
#if MI_MALLOC_VERSION < 210
static void fallback_keep_pages(void)
{
    mi_option_disable(mi_option_allow_decommit);
}
#else
static void fallback_keep_pages(void)
{
    mi_option_set(mi_option_purge_delay, -1);
}
#endif

/* The calling thread's heap; mimalloc 3.2 gave the name to something else. */
#if MI_MALLOC_VERSION < 30200
static const void *fallback_heap(void)
{
    return mi_heap_get_default();
}
#else
static const void *fallback_heap(void)
{
    return mi_theap_get_default();
}
#endif

/*
 * mimalloc collects a thread's heap when the thread ends, by the destructor of thread-specific data
 * whose value is the heap: without the value there is no destructor. Its key is not known, but no
 * other can have that value.
 */
static void fallback_keep_heap(void)
{
    const void *heap = fallback_heap();
    for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++) {
        if (pthread_getspecific(key) == heap) {
            pthread_setspecific(key, NULL);
        }
    }
}

void fallback_after_fork(void)
{
    if (forked_with_threads) {
        thread_lost = true;
        fallback_keep_pages();
        fallback_keep_heap();
    }
}

void fallback_trim(void)
{
    if (!thread_lost) {
        mi_collect(false);
    }
}

bool fallback_is_foreign(const void *address)
{
    const char *byte = address;
    return byte >= libc_heap && byte < os_break();
}

/* Returns true if the address lies between two others, of which the first is included. */
static bool fallback_is_between(const void *address, uintptr_t first, uintptr_t end)
{
    return (uintptr_t)address - first < end - first && first < end;
}

/*
 * Returns true if the address lies on the calling thread's stack, and the thread runs on a stack
 * that libc has made: its static thread-local data, errno among it, lie at the stack's end. A
 * thread that has moved to another stack, a coroutine's, is told by the distance.
 */
static bool fallback_is_on_own_stack(const void *address)
{
    enum { FARTHEST = 32 << 20 };
    uintptr_t top = (uintptr_t)__builtin_frame_address(0);
    uintptr_t end = (uintptr_t)&errno;
    return end - top < FARTHEST && fallback_is_between(address, top, end);
}

/* Returns true if the address lies in an object that the dynamic linker has loaded. No lock. */
static bool fallback_is_in_object(const void *address)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
    struct dl_find_object object;
    return _dl_find_object != NULL && _dl_find_object((void *)(uintptr_t)address, &object) == 0;
#else
    (void)address;
    return false;
#endif
}

bool fallback_is_stray(const void *address)
{
    enum { ALIGNMENT_LEAST = 8, NEVER_MAPPED = 1 << 16 };
    if (main_stack_end == 0) {
        return false; /* before start, when little can be relied on */
    }
    return (uintptr_t)address % ALIGNMENT_LEAST != 0 || (uintptr_t)address < NEVER_MAPPED ||
           fallback_is_between(address, main_stack_start, main_stack_end) || fallback_is_on_own_stack(address) ||
           fallback_is_in_object(address);
}

/* Returns a handle for a library that the process has loaded, or NULL. It calls libc's dlopen, because the
 * name `dlopen` stands for the library's own wrapper, which is for programs alone. */
static void *fallback_open_library(const char *name)
{
    void *(*open)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return open != NULL ? open(name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

/*
 * They are looked up by libc's own handle, since a look-up in the order of libraries could find
 * another allocator, and each time, since most processes never meet such a block and none should
 * pay for it at start.
 */
static COLD void *fallback_find(const char *name)
{
    void *handle = fallback_open_library("libc.so.6");
    void *function = handle != NULL ? dlsym(handle, name) : NULL;
    if (handle != NULL) {
        dlclose(handle);
    }
    return function;
}

/* Without libc's function the block is left as it is: a leak, never a crash. */
COLD void fallback_free_foreign(void *address)
{
    int kept = errno;
    void (*give)(void *) = (void (*)(void *))fallback_find("free");
    if (give != NULL) {
        give(address);
    }
    errno = kept;
}

COLD void *fallback_resize_foreign(void *address, size_t request)
{
    void *(*resize)(void *, size_t) = (void *(*)(void *, size_t))fallback_find("realloc");
    return resize != NULL ? resize(address, request) : fallback_refuse();
}

COLD size_t fallback_usable_size_foreign(const void *address)
{
    size_t (*usable_size)(void *) = (size_t(*)(void *))fallback_find("malloc_usable_size");
    /* The cast: libc's prototype lacks a const that its man page would grant. */
    return usable_size != NULL ? usable_size((void *)(uintptr_t)address) : 0;
}
