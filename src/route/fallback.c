/* Calls mimalloc, which serves all requests that the pools do not serve. No other file of the library calls it. */
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

/* The end of the program's heap (its break) at start-up. Before fallback_open has run, it is the largest address, so
 * that no address counts as a part of the heap. */
static char *libc_heap = (char *)UINTPTR_MAX;

/* The lowest address that the main thread's stack may grow to, and the end of the stack. */
static uintptr_t main_stack_start;
static uintptr_t main_stack_end;

#ifdef DLFO_STRUCT_HAS_EH_DBASE
/*
 * declared weak, because glibc has _dl_find_object only from 2.35 on, and the library must load with an older glibc too
 */
#pragma weak _dl_find_object
#endif

/*
 * mimalloc's error handler. mimalloc reports EOVERFLOW for a size that no block can have and for a count that
 * overflows, and EINVAL or EOVERFLOW for a bad alignment; for all of these the program gets ENOMEM. mimalloc's other
 * errors, EAGAIN for a double free and EFAULT for the free of a foreign address, come from free, which must not change
 * errno.
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
 * Frees a block of mimalloc's that is not aligned as requested, and allocates an aligned one. mimalloc 2.0.9 serves a
 * request of 256, 512 or 1024 bytes from any block of that size if the alignment is not larger than the size, although
 * such blocks need not lie at multiples of their size. mi_malloc_aligned_at checks the address, and uses a larger block
 * if it must. fallback_alloc_aligned does not call mi_malloc_aligned_at for every request, because that function uses
 * larger blocks even for small alignments that every block of the size has.
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
 * Finds the main thread's stack. The kernel writes the name of the program's file on the stack's last page. When the
 * program begins, the kernel keeps other mappings out of the addresses below that page, for as many bytes as the stack
 * limit says. If the limit has become larger since, the kernel has not kept the additional addresses free. So at most 8
 * MiB of addresses count as the stack.
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

/* How many bytes mimalloc maps for one of its segments, with the bytes that it needs to align the segment. */
enum { FALLBACK_SEGMENT = 64 << 20 };

/* Returns true if the kernel would refuse the memory of one more segment to mimalloc. */
static bool fallback_is_short(void)
{
    char *segment = os_map(FALLBACK_SEGMENT);
    if (segment != NULL) {
        os_release(segment, FALLBACK_SEGMENT);
    }
    return segment == NULL;
}

/*
 * mimalloc calls this function before a part of its housekeeping. With `force`, mimalloc calls it after the kernel has
 * refused memory and before it tries again, but also at the end of a thread, when memory is not short. So this function
 * checks whether the kernel would really refuse memory.
 */
static void fallback_make_room(bool force, unsigned long long beat, void *argument)
{
    (void)beat;
    (void)argument;
    if (force && region_is_laid() && fallback_is_short()) {
        pool_return();
    }
}

/* Makes mimalloc call fallback_make_room from now on. This is not done at start-up, because it costs some instructions
 * each time that mimalloc does its housekeeping. */
void fallback_expect_refusals(void)
{
    mi_register_deferred_free(fallback_make_room, NULL);
}

COLD void fallback_open(void)
{
    int kept = errno;
    fallback_find_main_stack();
    mi_register_error(fallback_note_error, NULL);
    /*
     * Without this setting of mimalloc, mimalloc would count the NUMA nodes at its first block and, if there are
     * several, ask the kernel at many blocks on which node it runs. mimalloc uses the nodes only to choose between
     * arenas that are reserved for nodes. It has such arenas only if environment variables of mimalloc ask for them.
     */
    mi_option_set_default(mi_option_use_numa_nodes, 1);
    libc_heap = os_break();
    errno = kept;
}

/* forked_with_threads is true if the process has had several threads; thread_lost is true in the child of such a
 * process. */
static bool forked_with_threads;
static bool thread_lost;

void fallback_before_fork(void)
{
    forked_with_threads = forked_with_threads || os_has_threads();
}

/*
 * Makes mimalloc give no pages back any more. mimalloc before 2.1 has a switch for that, later versions have a delay.
 */
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

/* Returns the heap that mimalloc keeps for the calling thread. In mimalloc 3.2, mi_heap_get_default means something
 * else. */
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
 * Keeps mimalloc from collecting the calling thread's heap when the thread ends. mimalloc does that in the destructor
 * of a thread-specific value, which is a pointer to the heap. If the value is NULL, the destructor does not run. The
 * key of the value is not known, so every key whose value is the heap gets the value NULL; there is only one.
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

void fallback_collect(void)
{
    if (!thread_lost) {
        /*
         * This block keeps mimalloc from giving its last segment back. Without a segment, mimalloc could not serve the
         * next small request unless the kernel granted all of a new one. The free pages within the last segment are
         * given back nevertheless.
         */
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
 * Returns true if the address lies in the used part of the calling thread's stack. The function can find that out only
 * on a stack that libc has made, because there the static thread-local variables, such as errno, lie at the stack's
 * end. If errno is far away, the thread runs on another stack, such as a coroutine's, and the result is false.
 */
static bool fallback_is_on_own_stack(const void *address)
{
    enum { FARTHEST = 32 << 20 };
    uintptr_t top = (uintptr_t)__builtin_frame_address(0);
    uintptr_t end = (uintptr_t)&errno;
    return end - top < FARTHEST && fallback_is_between(address, top, end);
}

/* Returns true if the address lies in an object that the dynamic linker has loaded. Returns false if libc has no
 * _dl_find_object, which finds this out without a lock. */
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
        return false; /* false before start-up, when it is not known yet where the main thread's stack lies */
    }
    return (uintptr_t)address % ALIGNMENT_LEAST != 0 || (uintptr_t)address < NEVER_MAPPED ||
           fallback_is_between(address, main_stack_start, main_stack_end) || fallback_is_on_own_stack(address) ||
           fallback_is_in_object(address);
}

/* Returns a handle for a library that the process has loaded, or NULL. It calls libc's dlopen directly, because the
 * name `dlopen` means the library's own wrapper, which only programs should call. */
static void *fallback_open_library(const char *name)
{
    void *(*open)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return open != NULL ? open(name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

/*
 * Returns the address of libc's function `name`, or NULL. The function is looked up in libc itself, because a search in
 * the order of libraries could find the function of another allocator. The result is not stored: most processes never
 * have a block of libc, and their start should not become slower by the search.
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

/* Frees a block of libc's malloc by libc's own free. If libc's free cannot be found, the block is never freed. */
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
    /* const is cast away, because libc's malloc_usable_size is declared without it, although the function does not
     * write */
    return usable_size != NULL ? usable_size((void *)(uintptr_t)address) : 0;
}
