/* Makes every call to mimalloc, which serves all requests that the pools do not serve. */
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
#include "os/os_process.h"
#include "pool/pool.h"

/* The program's break at start-up. Before fallback_open, this is an address that no program has. */
static char *libc_heap = (char *)UINTPTR_MAX;

/* The lowest address that the main thread's stack may grow to, and the end of the stack. */
static uintptr_t main_stack_start;
static uintptr_t main_stack_end;

#ifdef DLFO_STRUCT_HAS_EH_DBASE
/* glibc has _dl_find_object from 2.35 on only, and the library must load with an older glibc too. */
#pragma weak _dl_find_object
#endif

/* mimalloc's error handler. mimalloc reports a size that no block can have and a count that overflows as EOVERFLOW, and
 * a bad alignment as EINVAL or EOVERFLOW; all of them are ENOMEM to the program. mimalloc's other errors (EAGAIN,
 * EFAULT: it noticed a double free, or a free of a foreign address) come from free, which keeps errno. */
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
 * For a request of 256, 512 or 1024 bytes with no larger alignment, mimalloc 2.0.9 uses any block of that size, as if
 * such blocks lay at multiples of their size. They do not. mi_malloc_aligned_at checks the address, and uses a larger
 * block if it must. mi_malloc_aligned_at is not called first, because it uses larger blocks also for small alignments
 * that each block of the requested size has.
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
 * Finds the main thread's stack. The kernel writes the name of the program's file on the stack's last page. Downwards
 * from there the kernel keeps as many bytes free of other mappings as the stack limit says when the program begins, so
 * at most 8 MiB of them certainly belong to the stack, however large the limit is now.
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

/* The bytes that mimalloc maps for a segment, including the bytes that it needs to align the segment. */
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
 * mimalloc calls this function before a part of its housekeeping. With `force` true it does so when the kernel has
 * refused it memory and it is about to try again, and also at the end of a thread, when memory is not short. So this
 * function checks if the kernel would really refuse memory.
 */
static void fallback_make_room(bool force, unsigned long long beat, void *argument)
{
    (void)beat;
    (void)argument;
    if (force && region_is_laid() && fallback_is_short()) {
        pool_return();
    }
}

/* Registers fallback_make_room with mimalloc. This is not done at start-up, because the registration costs some
 * instructions in each of mimalloc's housekeepings. */
void fallback_expect_refusals(void)
{
    mi_register_deferred_free(fallback_make_room, NULL);
}

void fallback_open(void)
{
    int kept = errno;
    fallback_find_main_stack();
    mi_register_error(fallback_note_error, NULL);
    /*
     * Without this option, mimalloc would count the NUMA nodes at its first block and, if there are several, ask the
     * kernel at many blocks on which node it runs. mimalloc uses the nodes only to choose between arenas reserved for
     * nodes, which exist only if its environment variables ask for them.
     */
    mi_option_set_default(mi_option_use_numa_nodes, 1);
    libc_heap = os_break();
    errno = kept;
}

/* forked_with_threads: the process has had several threads. thread_lost: this is the child of such a process. */
static bool forked_with_threads;
static bool thread_lost;

void fallback_before_fork(void)
{
    forked_with_threads = forked_with_threads || os_has_threads();
}

/* Stops mimalloc from giving pages back. mimalloc before 2.1 has a switch for that, later versions have a delay. */
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

/* Returns the calling thread's heap. In mimalloc 3.2, mi_heap_get_default means something else. */
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

/* Keeps mimalloc from collecting the calling thread's heap when the thread ends. mimalloc does that in the destructor
 * of a thread-specific value, which is the heap; without the value no destructor runs. Its key is not known, but no
 * other key has that value. */
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

void fallback_collect(void)
{
    if (!thread_lost) {
        /* The block keeps one segment from being given back. Without a segment, mimalloc could not serve the next small
         * request unless the kernel granted all of a new one. The pages of the segment are given back all the same. */
        void *kept = mi_malloc(sizeof(void *));
        mi_collect(true);
        mi_free(kept);
    }
}

bool fallback_is_foreign(const void *address)
{
    const char *byte = address;
    return byte >= libc_heap && byte < os_break();
}

/* Returns true if the address is at least `first` and below `end`. */
static bool fallback_is_between(const void *address, uintptr_t first, uintptr_t end)
{
    return (uintptr_t)address - first < end - first && first < end;
}

/*
 * Returns true if the address lies on the calling thread's stack. The function can find that out only on a stack that
 * libc has made, because there the static thread-local variables, such as errno, lie at the stack's end. If errno is
 * far away, the thread runs on another stack, such as a coroutine's, and the result is false.
 */
static bool fallback_is_on_own_stack(const void *address)
{
    enum { FARTHEST = 32 << 20 };
    uintptr_t top = (uintptr_t)__builtin_frame_address(0);
    uintptr_t end = (uintptr_t)&errno;
    return end - top < FARTHEST && fallback_is_between(address, top, end);
}

/* Returns true if the address lies in an object that the dynamic linker has loaded. It takes no lock. */
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
        return false; /* before start-up, when the main thread's stack is not known yet */
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
 * Returns libc's function of this name, or NULL. libc's own handle is used, because a look-up in the order of libraries
 * could find the function of another allocator. The result is not kept: most processes never meet a block of libc, and
 * none should pay for the look-up at start.
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

/* Frees a foreign block by libc's own free. If that cannot be found, the block leaks. */
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
    /* The cast removes const, which libc's prototype lacks though malloc_usable_size does not write. */
    return usable_size != NULL ? usable_size((void *)(uintptr_t)address) : 0;
}
