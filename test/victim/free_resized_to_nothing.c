/* Misuse: frees a block that realloc(block, 0) has freed. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    char *block = victim_take(victim_number(argc, argv, 1));
    victim_require(realloc(block, 0) == NULL, "realloc to size 0 returned a block");
    victim_announce(victim_hide(block));
    free(victim_hide(block));
    return EXIT_SUCCESS;
}
