/* Misuse: frees a block that realloc has moved, by its old address. Arguments: SIZE, NEW SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    char *block = victim_take(victim_number(argc, argv, 1));
    char *moved = realloc(block, victim_number(argc, argv, 2));
    victim_require(moved != NULL && moved != victim_hide(block), "the block did not move");
    victim_announce(victim_hide(block));
    free(victim_hide(block));
    return EXIT_SUCCESS;
}
