/* These cases test the list of slots in use, which the library writes and which names the function that has allocated
 * each slot. The program allocates by functions that it exports, such as hold_by_malloc. The cases print the blocks
 * that stay allocated on stdout, and the runner compares these lines with the list. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "holders.h"
#include "outside.h"
#include "pools.h"

/* Waits until the clock by which the age of slots is measured has advanced, so that later blocks are younger than all
 * earlier ones. */
static void grow_older(void)
{
    struct timespec before;
    struct timespec now;
    CHECK_EQUAL(clock_gettime(CLOCK_MONOTONIC_COARSE, &before), 0);
    do {
        CHECK_EQUAL(clock_gettime(CLOCK_MONOTONIC_COARSE, &now), 0);
    } while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

/* Prints a block that `function` has allocated. It does not use stdio, because the buffers of stdio would be slots in
 * use too. */
static void say(const char *function, const void *block, size_t size)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%s %p %zu\n", function, block, size);
    CHECK_EQUAL(write(STDOUT_FILENO, line, (size_t)length), length);
}

struct holder {
    const char *name;
    void *(*take)(size_t size);
};

static const struct holder holders[] = {
#define HOLDER(name) {#name, name},
    HOLDER_ROWS(HOLDER)
#undef HOLDER
};
enum { HOLDERS = sizeof holders / sizeof holders[0] };

static void *keep(const struct holder *holder, size_t size)
{
    void *block = holder->take(size);
    CHECK(pools_own(check_hide(block)));
    say(holder->name, block, size);
    grow_older();
    return block;
}

static void *keep_by_malloc(size_t size)
{
    return keep(&(struct holder){"hold_by_malloc", hold_by_malloc}, size);
}

static void *keep_by_calloc(size_t size)
{
    return keep(&(struct holder){"hold_by_calloc", hold_by_calloc}, size);
}

CASE(nothing)
{
    for (size_t i = 0; i < HOLDERS; i++) {
        free(check_hide(holders[i].take(16384)));
    }
}

CASE(every_function)
{
    for (size_t i = 0; i < HOLDERS; i++) {
        keep(&holders[i], 16384 + i);
    }
}

/*
 * Two functions take turns in allocating blocks of different buckets. One of the blocks is freed, so the list of slots
 * in use must not have it.
 */
CASE(by_turns)
{
    keep_by_malloc(16390);
    keep_by_calloc(262177);
    void *given = hold_by_malloc(16384);
    keep_by_malloc(4096);
    free(given);
    keep_by_calloc(8192);
    keep_by_malloc(4194304);
}

/*
 * Resizes the first of two blocks. Afterwards this block is still the oldest in the list of slots in use. The list
 * names `resize` as the function that has allocated the block, whether realloc left the block in its slot or moved it.
 */
static void resized(size_t size, bool stays)
{
    void *before = check_hide(hold_by_malloc(16384));
    grow_older();
    keep_by_calloc(16384);
    void *after = resize(before, size);
    CHECK((after == check_hide(before)) == stays);
    say("resize", after, size);
}

CASE(resized_in_place)
{
    resized(20000, true);
}

CASE(resized_and_moved)
{
    resized(40000, false);
}

/* The stats signal requests a list of slots in use while both blocks of this case are live, so the list names both. The
 * list at exit is empty, because they were freed before. */
CASE(asked_by_signal)
{
    void *first = keep_by_malloc(16384);
    void *second = keep_by_calloc(30000);
    outside_send(SIGUSR1);
    free(first);
    free(second);
}

CASE(asked_by_call)
{
    int (*dump)(int) = NULL;
    *(void **)&dump = check_find("sockmalloc_dump");
    keep_by_malloc(16384);
    CHECK_EQUAL(dump(STDERR_FILENO), 0);
}

/* A fork child's list of slots in use also has the block that the parent has allocated. The block is listed with the
 * function that has allocated it in the parent, and is at least as old as in the parent's list. */
CASE(forked)
{
    keep_by_malloc(16384);
    if (check_is_child()) {
        keep_by_calloc(16384);
        exit(EXIT_SUCCESS);
    }
}

static void *keep_in_a_thread(void *size)
{
    return keep_by_malloc(*(size_t *)size);
}

/* The list of slots in use also has the blocks of a thread that has ended, because the library stores the caller of
 * malloc with the slot and not with the thread. */
CASE(threads)
{
    static size_t sizes[] = {16384, 16385, 16386};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_in_thread(keep_in_a_thread, &sizes[i]);
    }
}
