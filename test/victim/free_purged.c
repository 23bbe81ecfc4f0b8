/* Misuse: frees a block again, after its pages went back to the kernel. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

#include <malloc.h>
#include <pthread.h>

static void *free_here(void *block)
{
    free(block);
    return NULL;
}

/* Only slots in the depot are purged, but a freed slot first goes to the thread's cache, unless its bucket is large. So
 * a thread frees the block and ends, because then its cached slots go to the depot. */
int main(int argc, char **argv)
{
    pthread_t thread;
    char *block = victim_take(victim_number(argc, argv, 1));
    victim_require(pthread_create(&thread, NULL, free_here, block) == 0, "a thread");
    victim_require(pthread_join(thread, NULL) == 0, "the thread's end");
    victim_require(malloc_trim(0) == 1, "nothing was purged");
    victim_announce(block);
    free(victim_hide(block));
    return EXIT_SUCCESS;
}
