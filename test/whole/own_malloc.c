/* These cases test a program that defines malloc itself, like a program into which another allocator is linked
 * statically. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pools.h"

/* The memory from which the program's own malloc allocates. Freed memory is not allocated again; ARENA bytes are enough
 * for all requests of one case. */
enum { ARENA = 1 << 25, UNIT = 16 };
static _Alignas(UNIT) char arena[ARENA];
static _Atomic size_t arena_used;
static _Atomic unsigned given;

static bool arena_owns(const char *address)
{
    return address >= arena && address < arena + ARENA;
}

/* The C library must see these functions, so they need default visibility, although the tests are compiled with hidden
 * visibility. */
#pragma GCC visibility push(default)

/* The program's own malloc. It stores the size of each block in front of the block. */
void *malloc(size_t size)
{
    size_t whole = (size + UNIT - 1) / UNIT * UNIT + UNIT;
    size_t start = size <= ARENA ? atomic_fetch_add(&arena_used, whole) : ARENA;
    if (start + whole > ARENA) {
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
    return malloc(count * size); /* the arena is static and no block is used twice, so this memory is still zero */
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

static char *take_filled(size_t size)
{
    char *block = check_hide(malloc(size));
    CHECK(arena_owns(block));
    return memset(block, 'x', size);
}

static char *check_kept(char *block, size_t size)
{
    CHECK(arena_owns(block) && block[0] == 'x' && memcmp(block, block + 1, size - 1) == 0);
    return block;
}

/* The library exports functions that call realloc, such as reallocarray. In this program they must call the program's
 * own realloc and free. */
CASE(relatives_of_realloc_are_its_own)
{
    void *(*array)(void *, size_t, size_t);
    void *(*or_free)(void *, size_t);
    int (*stored)(void *, size_t, size_t);
    *(void **)&or_free = check_find("reallocf");
    *(void **)&stored = check_find("reallocarr");
    for (size_t size = 16; size <= (size_t)1 << 20; size *= 2) {
        char *block = take_filled(size);
        *(void **)&array = check_find("reallocarray");
        block = check_kept(array(block, size, 2), size);
        *(void **)&array = check_find("__libc_reallocarray");
        block = check_kept(array(block, 3, size), size);
        block = check_kept(or_free(block, size), size);
        CHECK_EQUAL(stored(&block, size, 2), 0);
        check_kept(block, size);
        unsigned before = given;
        CHECK(or_free(block, check_hide_size(PTRDIFF_MAX)) == NULL);
        CHECK_EQUAL(given, before + 1);
    }
    CHECK_EQUAL(pools_figure("requests"), 0);
}

/* cfree and the other names of free must call the program's own free. */
CASE(relatives_of_free_are_its_own)
{
    const char *const names[] = {"cfree", "vfree"};
    void (*give)(void *);
    void (*give_sized)(void *, size_t);
    void (*give_aligned)(void *, size_t, size_t);
    *(void **)&give_sized = check_find("free_sized");
    *(void **)&give_aligned = check_find("free_aligned_sized");
    unsigned before = given;
    for (size_t name = 0; name < sizeof names / sizeof names[0]; name++) {
        *(void **)&give = check_find(names[name]);
        give(take_filled(20000));
    }
    give_sized(take_filled(20000), 20000);
    give_aligned(take_filled(20000), 16, 20000);
    CHECK_EQUAL(given, before + 4);
}

/*
 * The dynamic linker binds all calls of malloc to the program's own malloc, those of libc too. The library starts and
 * ends with the program, and serves no request.
 */
CASE(serves_itself)
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
