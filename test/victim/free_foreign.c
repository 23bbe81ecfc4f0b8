/* No misuse: frees and resizes a block of libc's own malloc, as a plug-in does that was loaded with RTLD_DEEPBIND.
 * sockmalloc must accept this. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

static char *take_from_libc(size_t size)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    victim_require(libc != NULL, "libc.so.6 is loaded");
    void *(*take)(size_t) = (void *(*)(size_t))dlsym(libc, "malloc");
    victim_require(take != NULL, "libc has a malloc of its own");
    char *block = take(size);
    victim_require(block != NULL, "libc has memory");
    return memset(block, 'x', size);
}

int main(int argc, char **argv)
{
    size_t size = victim_number(argc, argv, 1);
    char *first = take_from_libc(size);
    char *second = realloc(take_from_libc(size), 4 * size);
    victim_require(second != NULL && second[size - 1] == 'x', "the block has grown");
    free(second);
    free(victim_hide(first));
    victim_require(take_from_libc(size) == first, "libc has its block back");
    return EXIT_SUCCESS;
}
