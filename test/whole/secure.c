/* A program that is linked with the library and made setuid. It prints which settings from its environment are in
 * force. With an argument, it then waits until its stdin ends. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(int count, char **arguments)
{
    char configuration[4096];
    void *block = malloc(20000);
    sockmalloc_configuration(configuration, sizeof configuration);
    printf("%d %d %s\n", getauxval(AT_SECURE) != 0, sockmalloc_owns(block), configuration);
    free(block);
    (void)arguments;
    return count > 1 && fflush(stdout) == 0 && getchar() != EOF ? 1 : 0;
}
