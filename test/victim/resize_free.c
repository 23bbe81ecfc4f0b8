/* Misuse: resizes a block that is free. Arguments: SIZE, CALL (the function that resizes), NEW SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    char *block = victim_take(victim_number(argc, argv, 1));
    free(block);
    victim_announce(victim_hide(block));
    victim_resize_by(victim_word(argc, argv, 2), victim_hide(block), victim_number(argc, argv, 3));
    return EXIT_SUCCESS;
}
