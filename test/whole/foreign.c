/* Allocates by mallocx, a function that jemalloc exports and sockmalloc does not, if some library in the process
 * exports it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

extern void *mallocx(size_t size, int flags) __attribute__((weak));

int main(void)
{
    return mallocx != NULL && mallocx(5000, 0) == NULL ? 1 : 0;
}
