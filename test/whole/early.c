/* A second preloaded library, whose constructor and destructor allocate. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "early.h"

#include <stdlib.h>
#include <string.h>

struct early_blocks early_blocks;

static char *fill(char *block)
{
    if (block == NULL) {
        abort();
    }
    memset(block, EARLY_BYTE, EARLY_SIZE);
    return block;
}

__attribute__((constructor)) static void take_early(void)
{
    void *aligned = NULL;
    free(fill(malloc(EARLY_SIZE)));
    early_blocks.by_malloc = fill(malloc(EARLY_SIZE));
    early_blocks.by_calloc = fill(calloc(2, EARLY_SIZE / 2));
    early_blocks.by_realloc = fill(realloc(malloc(100), EARLY_SIZE));
    if (posix_memalign(&aligned, 4096, EARLY_SIZE) != 0) {
        abort();
    }
    early_blocks.by_posix_memalign = fill(aligned);
    early_blocks.until_the_end = fill(malloc(EARLY_SIZE));
}

/* Runs after main, possibly after the library's own destructor. */
__attribute__((destructor)) static void give_late(void)
{
    free(early_blocks.until_the_end);
    free(fill(malloc(EARLY_SIZE)));
}
