/* A program that is linked with the library and made setuid. It prints which effects the variables in its environment
 * had. With an argument, it then waits for the end of its input. */
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
