/* Misuse: frees a block again after many other blocks of its bucket were freed. Arguments: SIZE, OTHERS (how many
 * others). */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

enum { OTHERS_MAX = 4096 };

int main(int argc, char **argv)
{
    static char *others[OTHERS_MAX];
    size_t size = victim_number(argc, argv, 1);
    size_t count = victim_number(argc, argv, 2);
    victim_require(count <= OTHERS_MAX, "too many others");
    char *block = victim_take(size);
    for (size_t i = 0; i < count; i++) {
        others[i] = victim_take(size);
    }
    free(block);
    for (size_t i = 0; i < count; i++) {
        free(others[i]);
    }
    victim_announce(block);
    free(victim_hide(block));
    return EXIT_SUCCESS;
}
