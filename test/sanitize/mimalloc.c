/* mimalloc's interface over libc's malloc: a sanitizer knows the blocks of that one, and would take
 * mimalloc's for memory that threads share without a word. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <mimalloc.h>
#include <stdlib.h>

/* Only what the rooms call. Errors come by errno, as fallback_open's handler would set it. */
void *mi_malloc(size_t size)
{
    return malloc(size);
}

void *mi_calloc(size_t count, size_t size)
{
    return calloc(count, size);
}

void *mi_realloc(void *block, size_t size)
{
    return realloc(block, size);
}

void *mi_malloc_aligned(size_t size, size_t alignment)
{
    void *block = NULL;
    int error = posix_memalign(&block, alignment, size);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    return block;
}

void mi_free(void *block)
{
    free(block);
}

size_t mi_usable_size(const void *block)
{
    return malloc_usable_size((void *)(uintptr_t)block);
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

void mi_option_disable(mi_option_t option)
{
    (void)option;
}

void mi_option_set(mi_option_t option, long value)
{
    (void)option;
    (void)value;
}

/* An address that is no thread-specific value of anybody's. */
static char heap;

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
