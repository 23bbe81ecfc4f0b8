/* Harmless misuse: passes a sized free a size that is not the block's. Arguments: SIZE, CALL, WRONG SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

/* free uses only the address, so the next request of the block's size must get this block. */
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
