/*
 * Misuse: frees an address that no malloc has returned. Arguments: where the address lies, and an OFFSET that is added.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>

#include "victim.h"

enum { SIZE = 4096 };
static char object[SIZE];

static void sin_at(char *place, size_t offset)
{
    victim_announce(place + offset);
    free(victim_hide(place + offset));
}

/* Frees an address on the calling thread's stack. All bytes around the address are 7, so that the library cannot take
 * them for metadata. */
static void sin_on_the_stack(size_t offset)
{
    _Alignas(16) char local[SIZE];
    memset(victim_hide(local), 7, sizeof local);
    sin_at(local, offset);
}

static void *run_thread(void *offset)
{
    sin_on_the_stack(*(const size_t *)offset);
    return NULL;
}

static void sin_on_a_threads_stack(size_t offset)
{
    pthread_t thread;
    victim_require(pthread_create(&thread, NULL, run_thread, &offset) == 0, "pthread_create");
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    const char *where = victim_word(argc, argv, 1);
    size_t offset = victim_number(argc, argv, 2);
    if (strcmp(where, "program") == 0) {
        sin_at(object, offset);
    } else if (strcmp(where, "stack") == 0) {
        sin_on_the_stack(offset);
    } else if (strcmp(where, "thread") == 0) {
        sin_on_a_threads_stack(offset);
    } else if (strcmp(where, "library") == 0) {
        sin_at((char *)&stdout, offset);
    } else if (strcmp(where, "environment") == 0) {
        sin_at(getenv("LD_PRELOAD"), offset);
    } else {
        sin_at((char *)(uintptr_t)offset, 0);
    }
    return EXIT_SUCCESS;
}
