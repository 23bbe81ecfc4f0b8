/* A program that is linked with the library and made setuid. It prints which effects the variables in its environment
 * had. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(void)
{
    char configuration[4096];
    void *block = malloc(20000);
    sockmalloc_configuration(configuration, sizeof configuration);
    printf("%d %d %s\n", getauxval(AT_SECURE) != 0, sockmalloc_owns(block), configuration);
    free(block);
    return 0;
}
