/* What the second preloaded library and the program that looks at it have in common. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_EARLY_H
#define SOCKMALLOC_TEST_EARLY_H

enum { EARLY_SIZE = 16390, EARLY_BYTE = 0x4d };

/* Blocks of a pool's size, each filled with the byte. The program finds them by the name
 * early_blocks. */
struct early_blocks {
    char *by_malloc;
    char *by_calloc;
    char *by_realloc;
    char *by_posix_memalign;
    char *until_the_end;
};

#endif
