/* Functions by which the test program allocates, each in a different way. The program exports these functions. So the
 * library's list of slots in use can say by name which function has allocated a slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "holders.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/*
 * Returns the block that an exported function has allocated. Each exported function calls this function after the
 * allocation. Otherwise the compiler would make the exported function jump to malloc instead of calling it, and the
 * list of slots in use would show the exported function's own caller.
 */
static void *kept(void *block)
{
    CHECK(block != NULL);
    return check_hide(block);
}

void *hold_by_malloc(size_t size)
{
    return kept(malloc(size));
}

void *hold_by_calloc(size_t size)
{
    return kept(calloc(1, size));
}

void *hold_by_realloc(size_t size)
{
    return kept(realloc(NULL, size));
}

void *hold_by_reallocarray(size_t size)
{
    return kept(reallocarray(NULL, 1, size));
}

void *hold_by_posix_memalign(size_t size)
{
    void *block = NULL;
    CHECK_EQUAL(posix_memalign(&block, 4096, size), 0);
    return kept(block);
}

void *hold_by_aligned_alloc(size_t size)
{
    return kept(aligned_alloc(64, size));
}

void *hold_by_memalign(size_t size)
{
    return kept(memalign(64, size));
}

void *hold_by_valloc(size_t size)
{
    return kept(valloc(size));
}

/* holds the string that strdup or strndup copies */
static char text[HOLDER_SIZE_MAX];

void *hold_by_strdup(size_t size)
{
    memset(text, 'x', size - 1);
    text[size - 1] = '\0';
    return kept(strdup(text));
}

void *hold_by_strndup(size_t size)
{
    memset(text, 'x', size);
    return kept(strndup(text, size - 1));
}

/* the types of three forms of operator new; these are looked up by their mangled names, because this program is not
 * linked with the C++ library */
typedef void *operator_new(size_t size);
typedef void *operator_new_nothrow(size_t size, const void *tag);
typedef void *operator_new_aligned(size_t size, size_t alignment);

void *hold_by_new(size_t size)
{
    operator_new *take = (operator_new *)check_find("_Znwm");
    return kept(take(size));
}

void *hold_by_new_array(size_t size)
{
    operator_new *take = (operator_new *)check_find("_Znam");
    return kept(take(size));
}

void *hold_by_new_nothrow(size_t size)
{
    operator_new_nothrow *take = (operator_new_nothrow *)check_find("_ZnwmRKSt9nothrow_t");
    return kept(take(size, ""));
}

void *hold_by_new_aligned(size_t size)
{
    operator_new_aligned *take = (operator_new_aligned *)check_find("_ZnwmSt11align_val_t");
    return kept(take(size, 64));
}

void *resize(void *block, size_t size)
{
    return kept(realloc(block, size));
}
