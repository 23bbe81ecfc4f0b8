/* Misuse: frees a block twice in a row. Arguments: SIZE, and the names of the FIRST and the SECOND function that frees
 * it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    size_t size = victim_number(argc, argv, 1);
    char *block = victim_take(size);
    victim_announce(block);
    victim_free_by(victim_word(argc, argv, 2), block, size);
    victim_free_by(victim_word(argc, argv, 3), victim_hide(block), size);
    return EXIT_SUCCESS;
}
