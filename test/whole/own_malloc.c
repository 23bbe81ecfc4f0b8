/* Cases: a program that brings its own malloc, as one linked with a static allocator does. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

/* An arena that is never given back: enough for what the C library and one case take. */
enum { ARENA = 1 << 24, UNIT = 16 };
static _Alignas(UNIT) char arena[ARENA];
static _Atomic size_t arena_used;
static _Atomic unsigned given;

static bool arena_owns(const char *address)
{
    return address >= arena && address < arena + ARENA;
}

/* For the C library, too: the tests are built with hidden names. */
#pragma GCC visibility push(default)

/* Each block has its size before it. */
void *malloc(size_t size)
{
    size_t whole = (size + UNIT - 1) / UNIT * UNIT + UNIT;
    size_t start = atomic_fetch_add(&arena_used, whole);
    if (size > ARENA || start + whole > ARENA) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(arena + start, &size, sizeof size);
    return arena + start + UNIT;
}

void free(void *address)
{
    if (address != NULL && arena_owns(address)) {
        atomic_fetch_add(&given, 1);
    }
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size); /* never given back, so it is still zero */
}

void *realloc(void *address, size_t size)
{
    void *moved = malloc(size);
    if (address != NULL && moved != NULL) {
        size_t former;
        memcpy(&former, (char *)address - UNIT, sizeof former);
        memcpy(moved, address, former < size ? former : size);
    }
    return moved;
}

#pragma GCC visibility pop

/* The loader takes the program's own; the library is born, idle, and ends with the program. */
static void serves_itself(void)
{
    for (size_t size = 16; size <= (size_t)1 << 20; size *= 2) {
        char *block = check_hide(malloc(size));
        CHECK(arena_owns(block));
        block = check_hide(realloc(block, size + size / 2));
        CHECK(arena_owns(block));
        char *copy = check_hide(strdup("by the C library"));
        CHECK(arena_owns(copy));
        unsigned before = given;
        free(copy);
        free(block);
        CHECK_EQUAL(given, before + 2);
    }
    CHECK(pools_are_active());
    CHECK_EQUAL(pools_figure("requests"), 0);
}

static const struct check_case cases[] = {
    CHECK_CASE(serves_itself),
};

CHECK_MAIN(cases)
