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

/* A thread frees the block and ends, so that the block goes to the depot, because only slots in the depot are purged. A
 * freed slot first goes to a cache, unless it is of a large bucket. */
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
