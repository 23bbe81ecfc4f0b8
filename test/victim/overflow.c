/* Misuse that must not crash the library: writes far beyond a block into its neighbours. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

enum { BLOCKS = 16 };

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
    for (int i = BLOCKS - 1; i >= 0; i--) {
        char *again = victim_take(size);
        victim_require(again == victim_hide(blocks[i]), "the last freed block is not the next one");
        blocks[i] = again;
    }
    return EXIT_SUCCESS;
}
