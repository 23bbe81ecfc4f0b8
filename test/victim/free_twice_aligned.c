/* Misuse: frees a block of posix_memalign twice. Arguments: ALIGNMENT, SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

int main(int argc, char **argv)
{
    void *block = NULL;
    size_t alignment = victim_number(argc, argv, 1);
    victim_require(posix_memalign(&block, alignment, victim_number(argc, argv, 2)) == 0, "memory");
    block = victim_hide(block);
    victim_announce(block);
    free(block);
    free(victim_hide(block));
    return EXIT_SUCCESS;
}
