/* Misuse: frees an address inside a slot. Arguments: SIZE of the block, OFFSET of the address in the slot, the slot's
 * state (`live` or `free`). */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    char *block = victim_take(victim_number(argc, argv, 1));
    size_t offset = victim_number(argc, argv, 2);
    if (strcmp(victim_word(argc, argv, 3), "free") == 0) {
        free(block);
    }
    char *inside = (char *)victim_hide(block) + offset;
    victim_announce(inside);
    free(victim_hide(inside));
    return EXIT_SUCCESS;
}
