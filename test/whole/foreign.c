/* A program that uses mallocx, a function that jemalloc exports and sockmalloc does not. It allocates a block by
 * mallocx if some library in the process exports this function. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

extern void *mallocx(size_t size, int flags) __attribute__((weak));

int main(void)
{
    return mallocx != NULL && mallocx(5000, 0) == NULL ? 1 : 0;
}
