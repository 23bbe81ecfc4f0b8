/*
 * These cases test a program that was started behind a seccomp filter, as in a container. Such a filter may forbid
 * system calls. The library must write its statistics, and must do everything else for which it needs no forbidden
 * system call.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <signal.h>
#include <sockmalloc.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "outside.h"
#include "pools.h"

#pragma weak sockmalloc_statistic
#pragma weak sockmalloc_trim

enum { BLOCKS = 64 };

static char *held[BLOCKS];

static void fill(size_t size, int byte)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        held[i] = malloc(size);
        CHECK(held[i] != NULL);
        memset(held[i], byte, size);
    }
}

static void empty(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        free(held[i]);
    }
}

static void burst(void)
{
    for (size_t size = 5000; size <= 1 << 20; size *= 2) {
        fill(size, 'x');
        empty();
    }
}

/* The stats signal makes the library write the table of statistics to stderr, with "unknown" for the resident bytes.
 * The runner checks this. */
CASE(table_comes_by_the_signal)
{
    uint64_t figure = 42;
    burst();
    CHECK_EQUAL(sockmalloc_statistic("resident", &figure), (uint64_t)-1);
    CHECK_EQUAL(figure, 42);
    outside_send(SIGUSR1);
}

/* A seccomp filter may make madvise return success although nothing is purged. So behind a filter calloc must clear a
 * slot that counts as purged. */
CASE(calloc_is_zero_though_no_page_goes)
{
    for (size_t size = 100; size <= 4 << 20; size *= 2) {
        fill(size, 0xee);
        empty();
        sockmalloc_trim(SIZE_MAX);
        malloc_trim(0);
        for (unsigned i = 0; i < BLOCKS; i++) {
            held[i] = calloc(1, size);
            CHECK(held[i] != NULL);
            CHECK(held[i][0] == 0 && memcmp(held[i], held[i] + 1, size - 1) == 0);
        }
        empty();
    }
}
