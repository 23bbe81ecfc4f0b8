/*
 * Uses 40 MiB in blocks of one size and frees them, then does the same with larger blocks, and so on. run-pressure runs
 * this program.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 40 << 20, LEAST = 16 << 10, MOST = 1 << 20, BLOCKS = BYTES / LEAST };

static char *blocks[BLOCKS];

static void fail(const char *what)
{
    fprintf(stderr, "spender: %s\n", what);
    exit(EXIT_FAILURE);
}

static void spend(size_t size)
{
    for (size_t i = 0; i < BYTES / size; i++) {
        blocks[i] = malloc(size);
        if (blocks[i] == NULL) {
            fail("no memory");
        }
        memset(blocks[i], (int)(i % 251 + 1), size);
    }
}

static void give_back(size_t size)
{
    for (size_t i = 0; i < BYTES / size; i++) {
        if (blocks[i][0] != (char)(i % 251 + 1) || memcmp(blocks[i], blocks[i] + 1, size - 1) != 0) {
            fail("a block is not what was written to it");
        }
        free(blocks[i]);
    }
}

int main(void)
{
    for (size_t size = LEAST; size <= MOST; size *= 4) {
        spend(size);
        give_back(size);
    }
    puts("spent");
    return EXIT_SUCCESS;
}
