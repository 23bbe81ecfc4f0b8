/* Implements mimalloc's interface by libc's malloc, for builds with a sanitizer. A sanitizer knows the blocks of libc's
 * malloc. With the real mimalloc, a sanitizer would report races between threads whose blocks share pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <mimalloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * The sanitizers of gcc 12 and clang 14 do not handle the locks of their malloc in a fork: in the child of a process
 * with several threads, an allocation may wait for ever for a lock of a thread that does not exist in the child. So
 * such a child allocates from a heap of its own: one block behind the other, and no memory is used again.
 */
enum { HEAP_BYTES = 1 << 30, HEAP_ALIGNMENT = 16 };

static char *heap;
static _Atomic size_t heap_used;
static bool is_child;

static void become_child(void)
{
    is_child = true;
}

/* Maps the heap for a later child of fork. This happens before main, because in such a child a call of mmap would wait
 * for the sanitizer and never return. */
__attribute__((constructor)) static void open_heap(void)
{
    void *start = mmap(NULL, HEAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED || pthread_atfork(NULL, NULL, become_child) != 0) {
        abort();
    }
    heap = start;
}

/* Allocates a block from the child's heap. The size of the block is stored in front of it. */
static void *heap_take(size_t size, size_t alignment)
{
    size_t room = size + alignment + sizeof(size_t);
    bool fits = size < HEAP_BYTES && alignment < HEAP_BYTES;
    size_t begin = fits ? atomic_fetch_add(&heap_used, room) : 0;
    if (!fits || begin + room > HEAP_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t least = (uintptr_t)heap + begin + sizeof(size_t);
    size_t *block = (size_t *)((least + alignment - 1) / alignment * alignment);
    block[-1] = size;
    return block;
}

static bool heap_owns(const void *block)
{
    return (uintptr_t)block - (uintptr_t)heap < HEAP_BYTES;
}

/* This file has only those functions of mimalloc that the library calls. A function that fails sets errno itself. With
 * the real mimalloc, an error handler of the library sets errno. */
void *mi_malloc(size_t size)
{
    return is_child ? heap_take(size, HEAP_ALIGNMENT) : malloc(size);
}

void *mi_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!is_child || __builtin_mul_overflow(count, size, &bytes)) {
        return calloc(count, size);
    }
    /* nobody has written to the heap's pages before, so the kernel's zeros are still there */
    return heap_take(bytes, HEAP_ALIGNMENT);
}

void *mi_malloc_aligned(size_t size, size_t alignment)
{
    if (is_child) {
        return heap_take(size, alignment > HEAP_ALIGNMENT ? alignment : HEAP_ALIGNMENT);
    }
    void *block = NULL;
    int error = posix_memalign(&block, alignment, size);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    return block;
}

/* The library always passes the offset 0, so this function refuses every other offset. */
void *mi_malloc_aligned_at(size_t size, size_t alignment, size_t offset)
{
    if (offset != 0) {
        errno = EINVAL;
        return NULL;
    }
    return mi_malloc_aligned(size, alignment);
}

size_t mi_usable_size(const void *block)
{
    return block != NULL && heap_owns(block) ? ((const size_t *)block)[-1]
                                             : malloc_usable_size((void *)(uintptr_t)block);
}

void mi_free(void *block)
{
    if (!is_child) {
        free(block);
    }
}

void *mi_realloc(void *block, size_t size)
{
    if (!is_child) {
        return realloc(block, size);
    }
    void *target = heap_take(size, HEAP_ALIGNMENT);
    if (target != NULL && block != NULL) {
        size_t kept = mi_usable_size(block);
        memcpy(target, block, kept < size ? kept : size);
    }
    return target;
}

size_t mi_good_size(size_t size)
{
    return size;
}

void mi_collect(bool force)
{
    (void)force;
}

void mi_register_error(mi_error_fun *report, void *argument)
{
    (void)report;
    (void)argument;
}

/* Does nothing. mimalloc would call `run` during its housekeeping, but libc's malloc has none. */
void mi_register_deferred_free(mi_deferred_free_fun *run, void *argument)
{
    (void)run;
    (void)argument;
}

void mi_option_disable(mi_option_t option)
{
    (void)option;
}

void mi_option_set(mi_option_t option, long value)
{
    (void)option;
    (void)value;
}

void mi_option_set_default(mi_option_t option, long value)
{
    (void)option;
    (void)value;
}

/* The library searches a thread's thread-specific values for the address of mimalloc's heap. The function below returns
 * an address that is none of these values, so the search finds nothing. */
#if MI_MALLOC_VERSION < 30200
mi_heap_t *mi_heap_get_default(void)
{
    return (mi_heap_t *)(void *)&heap;
}
#else
mi_theap_t *mi_theap_get_default(void)
{
    return (mi_theap_t *)(void *)&heap;
}
#endif
