/* A second preloaded library, whose constructor and destructor allocate blocks. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "early.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* Calls functions that sockmalloc wraps. If this library is preloaded after sockmalloc, the constructor of sockmalloc
 * has not run yet. The real functions must get the arguments unchanged. */
static void call_early(void)
{
    enum { SIZE = 4096 };
    char name[16];
    char *page = (char *)syscall(SYS_mmap, NULL, (size_t)SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                                 (off_t)0);
    if (page == MAP_FAILED || page[SIZE - 1] != 0 || syscall(SYS_munmap, page, SIZE) != 0 ||
        prctl(PR_GET_NAME, name) != 0) {
        abort();
    }
}

__attribute__((constructor)) static void take_early(void)
{
    call_early();
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
    /* free must recognize this block, no matter whether strdup of sockmalloc or of libc has made it */
    char *copy = strdup("before main");
    free(reallocarray(fill(malloc(EARLY_SIZE)), 2, EARLY_SIZE));
    early_blocks.first_letter = copy[0];
    free(copy);
    early_blocks.until_the_end = fill(malloc(EARLY_SIZE));
}

/* Frees blocks after main has ended. The destructor of sockmalloc may have run before this function. */
__attribute__((destructor)) static void give_late(void)
{
    free(early_blocks.until_the_end);
    free(fill(malloc(EARLY_SIZE)));
}
