/* Harmless misuse: passes a wrong size to a function that frees. Arguments: SIZE of the block, CALL (the function),
 * WRONG SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

/* The library frees by the address alone. So the next request of the block's size must get this block, whatever size
 * was passed. */
int main(int argc, char **argv)
{
    size_t size = victim_number(argc, argv, 1);
    char *block = victim_take(size);
    victim_free_by(victim_word(argc, argv, 2), block, victim_number(argc, argv, 3));
    char *again = victim_take(size);
    victim_require(again == victim_hide(block), "the block went elsewhere");
    free(again);
    return EXIT_SUCCESS;
}
