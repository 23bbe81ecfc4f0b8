/* Misuse that must not crash the library: fills a block after it was freed. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

enum { BLOCKS = 300, ROUNDS = 3 };

/* The library's metadata and links lie outside the slots, so a program that writes into free slots destroys none of
 * them. */
int main(int argc, char **argv)
{
    static char *blocks[BLOCKS];
    size_t size = victim_number(argc, argv, 1);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = victim_take(size);
            memset(blocks[i], i, size);
        }
        for (int i = 0; i < BLOCKS; i++) {
            victim_require(blocks[i][0] == (char)i && blocks[i][size - 1] == (char)i, "two blocks overlap");
            free(blocks[i]);
            memset(victim_hide(blocks[i]), 0x5a, size);
        }
    }
    return EXIT_SUCCESS;
}
