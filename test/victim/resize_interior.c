/* Misuse: resizes an address inside a slot. Arguments: SIZE, CALL (the function that resizes), OFFSET in the slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    size_t size = victim_number(argc, argv, 1);
    char *inside = victim_take(size) + victim_number(argc, argv, 3);
    victim_announce(inside);
    victim_resize_by(victim_word(argc, argv, 2), victim_hide(inside), size);
    return EXIT_SUCCESS;
}
