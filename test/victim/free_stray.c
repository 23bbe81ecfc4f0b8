/* Sin: frees what no malloc issued: a static object of the program. Argument: OFFSET. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

static char object[4096];

int main(int argc, char **argv)
{
    char *wild = object + victim_number(argc, argv, 1);
    victim_announce(wild);
    free(victim_hide(wild));
    return EXIT_SUCCESS;
}
