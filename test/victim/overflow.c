/* Misuse that must not crash the library: writes far beyond the end of a block, into the blocks after it. Argument:
 * SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

enum { BLOCKS = 16 };

/* Replaces the address in the list by NULL. Returns true if it was in the list. */
static bool strike(char **blocks, const char *block)
{
    for (int i = 0; i < BLOCKS; i++) {
        if (blocks[i] == block) {
            blocks[i] = NULL;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    char *blocks[BLOCKS];
    size_t size = victim_number(argc, argv, 1);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = victim_take(size);
    }
    victim_require(blocks[BLOCKS - 1] > blocks[0], "the slots do not ascend");
    memset(victim_hide(blocks[0]), 0xff, (size_t)(blocks[BLOCKS - 1] - blocks[0]) + size);
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    for (int i = 0; i < BLOCKS; i++) {
        victim_require(strike(blocks, victim_take(size)), "a block is none of the freed ones, or comes twice");
    }
    return EXIT_SUCCESS;
}
