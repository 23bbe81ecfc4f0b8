/* Misuse: calls a function that returns a block's usable size with an address that is no live block. Arguments: SIZE,
 * CALL (the function), OFFSET in the slot, the slot's state (`live` or `free`). */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    size_t (*call)(void *);
    char *block = victim_take(victim_number(argc, argv, 1));
    *(void **)&call = victim_find(victim_word(argc, argv, 2));
    if (strcmp(victim_word(argc, argv, 4), "free") == 0) {
        free(block);
    }
    char *bad = (char *)victim_hide(block) + victim_number(argc, argv, 3);
    victim_announce(bad);
    call(victim_hide(bad));
    return EXIT_SUCCESS;
}
