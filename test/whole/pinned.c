/*
 * Prints, for buffers of several sizes, how many pages the kernel pins when the program registers one such buffer with
 * io_uring. The buffers come from malloc or, with the argument `pool`, from fixed-size pools, whose blocks begin at the
 * start of a page.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/io_uring.h>
#include <sockmalloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BUFFERS = 8, UNAVAILABLE = 77 };

static const size_t sizes[] = {4096, 8192, 16384, 16390, 65536, 66000, 262144};

/* Returns the KiB that the kernel has pinned for this process, from /proc/self/status. */
static unsigned long pinned(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "VmPin: %lu kB", &kib);
    }
    if (status != NULL) {
        fclose(status);
    }
    return kib;
}

#pragma weak sockmalloc_pool_alloc
#pragma weak sockmalloc_pool_create
#pragma weak sockmalloc_pool_free

/* Registers several buffers of `size` bytes with io_uring, one at a time. Returns the largest number of pages that the
 * kernel pinned for one of them. The buffers are blocks of `pool`, or malloc's if `pool` is NULL. */
static unsigned long most_pages(int ring, size_t size, struct sockmalloc_pool *pool)
{
    char *buffer[BUFFERS];
    unsigned long most = 0;
    for (unsigned i = 0; i < BUFFERS; i++) {
        buffer[i] = pool != NULL ? sockmalloc_pool_alloc(pool) : malloc(size);
        memset(buffer[i], 'x', size);
        struct iovec vector = {buffer[i], size};
        unsigned long before = pinned();
        if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &vector, 1) != 0) {
            perror("pinned: io_uring_register");
            exit(1);
        }
        unsigned long pages = (pinned() - before) / 4;
        most = pages > most ? pages : most;
        syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
    }
    for (unsigned i = 0; i < BUFFERS; i++) {
        if (pool != NULL) {
            sockmalloc_pool_free(pool, buffer[i]);
        } else {
            free(buffer[i]);
        }
    }
    return most;
}

static struct sockmalloc_pool *pool_of(size_t size)
{
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    options.block = size;
    options.alignment = SOCKMALLOC_POOL_BY_PAGE;
    struct sockmalloc_pool *pool = sockmalloc_pool_create(&options);
    if (pool == NULL) {
        perror("pinned: sockmalloc_pool_create");
        exit(1);
    }
    return pool;
}

int main(int argc, char **argv)
{
    bool by_pool = argc > 1 && strcmp(argv[1], "pool") == 0;
    struct io_uring_params parameters = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
    if (ring < 0) {
        fprintf(stderr, "io_uring: %s\n", strerror(errno));
        return UNAVAILABLE;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        printf("%zu %lu\n", sizes[i], most_pages(ring, sizes[i], by_pool ? pool_of(sizes[i]) : NULL));
    }
    return 0;
}
