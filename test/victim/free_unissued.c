/*
 * Misuse: frees a slot that was never allocated. Arguments: SIZE, SLOTS (how many slots after the first one), and an
 * OFFSET in the slot.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

/* In a new process the first two blocks of a size are the first two slots of the range, so their distance is that of
 * all neighbouring slots. */
int main(int argc, char **argv)
{
    size_t size = victim_number(argc, argv, 1);
    char *first = victim_take(size);
    char *second = victim_take(size);
    victim_require(second > first, "the second slot lies behind the first");
    size_t stride = (size_t)(second - first);
    char *wild = first + stride * victim_number(argc, argv, 2) + victim_number(argc, argv, 3);
    victim_announce(wild);
    free(victim_hide(wild));
    return EXIT_SUCCESS;
}
