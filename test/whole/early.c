/* A second preloaded library, whose constructor and destructor allocate. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "early.h"

#include <stdlib.h>
#include <string.h>

struct early_blocks early_blocks;
struct early_thread early_thread;

static char *fill(char *block)
{
    if (block == NULL) {
        abort();
    }
    memset(block, EARLY_BYTE, EARLY_SIZE);
    return block;
}

static void *live_from_before_main(void *unused)
{
    early_thread.early = fill(malloc(EARLY_SIZE));
    sem_post(&early_thread.begun);
    sem_wait(&early_thread.go);
    for (int i = 0; i < 1000; i++) {
        free(fill(malloc(EARLY_SIZE)));
    }
    early_thread.late = fill(malloc(EARLY_SIZE));
    return unused;
}

static void start_early(void)
{
    if (sem_init(&early_thread.begun, 0, 0) != 0 || sem_init(&early_thread.go, 0, 0) != 0 ||
        pthread_create(&early_thread.thread, NULL, live_from_before_main, NULL) != 0) {
        abort();
    }
    sem_wait(&early_thread.begun);
}

__attribute__((constructor)) static void take_early(void)
{
    if (getenv("EARLY_THREAD") != NULL) {
        start_early();
    }
    void *aligned = NULL;
    free(fill(malloc(EARLY_SIZE)));
    early_blocks.by_malloc = fill(malloc(EARLY_SIZE));
    early_blocks.by_calloc = fill(calloc(2, EARLY_SIZE / 2));
    early_blocks.by_realloc = fill(realloc(malloc(100), EARLY_SIZE));
    if (posix_memalign(&aligned, 4096, EARLY_SIZE) != 0) {
        abort();
    }
    early_blocks.by_posix_memalign = fill(aligned);
    /* What free is to know, whichever library it is of. */
    char *copy = strdup("before main");
    free(reallocarray(fill(malloc(EARLY_SIZE)), 2, EARLY_SIZE));
    early_blocks.first_letter = copy[0];
    free(copy);
    early_blocks.until_the_end = fill(malloc(EARLY_SIZE));
}

/* Runs after main, possibly after the library's own destructor. */
__attribute__((destructor)) static void give_late(void)
{
    free(early_blocks.until_the_end);
    free(fill(malloc(EARLY_SIZE)));
}
