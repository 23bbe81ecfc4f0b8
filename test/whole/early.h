/* The data that a second preloaded library leaves for the program early_user to check. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_EARLY_H
#define SOCKMALLOC_TEST_EARLY_H

#include <pthread.h>
#include <semaphore.h>

enum { EARLY_SIZE = 16390, EARLY_BYTE = 0x4d };

/* Blocks of a size that the pools serve, each filled with EARLY_BYTE. The test program early_user finds this object by
 * looking up the name early_blocks. */
struct early_blocks {
    char *by_malloc;
    char *by_calloc;
    char *by_realloc;
    char *by_posix_memalign;
    char *until_the_end;
    char first_letter; /* the first letter of a string that strdup has made; the string has been freed */
};

/*
 * A thread that this preloaded library starts before main if EARLY_THREAD is in the environment. The thread first
 * allocates `early`. When the test program early_user posts `go`, the thread allocates and frees more, and then sets
 * `late`. The test program finds this object by looking up the name early_thread.
 */
struct early_thread {
    pthread_t thread;
    sem_t begun;
    char *early;
    char *late;
    sem_t go;
};

#endif
