/* Misuse: frees a block that another thread, which has ended, has freed already. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

#include <pthread.h>

static void *free_here(void *block)
{
    free(block);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    char *block = victim_take(victim_number(argc, argv, 1));
    victim_require(pthread_create(&thread, NULL, free_here, block) == 0, "a thread");
    victim_require(pthread_join(thread, NULL) == 0, "the thread's end");
    victim_announce(block);
    free(victim_hide(block));
    return EXIT_SUCCESS;
}
