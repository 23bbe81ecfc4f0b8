/* These cases measure how much memory the kernel charges to a process. When a limit is set on this memory, they also
 * test how much of the limit the program's blocks can use. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

/* BLOCKS blocks of 1030 bytes have just over 256 MiB together. BLOCKS is not larger, because the kernel also charges
 * the array of the blocks' addresses to the process. */
enum { MIB = 1 << 20, BLOCKS = 1 << 18 };

static char *blocks[BLOCKS];

/* Returns the figure `name` of /proc/self/status, in bytes. */
static size_t status_figure(const char *name)
{
    enum { BYTES_A_KIBIBYTE = 1024 };
    char line[256];
    size_t figure = 0;
    FILE *status = fopen("/proc/self/status", "re");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            figure = strtoul(line + strlen(name) + 1, NULL, 10) * BYTES_A_KIBIBYTE;
        }
    }
    CHECK(fclose(status) == 0);
    return figure;
}

static size_t argument(unsigned number)
{
    return strtoul(check_arguments[number], NULL, 10);
}

static void set_limit(int resource, size_t bytes)
{
    const struct rlimit limit = {bytes, bytes};
    CHECK_EQUAL(setrlimit((__rlimit_resource_t)resource, &limit), 0);
}

/* A function that allocates a block of `size` bytes, and returns NULL if it cannot. */
typedef void *allocator(size_t size);

/* Allocates blocks of one size by `allocate` and fills them, until they have `bytes` bytes together or an allocation
 * fails. Returns how many blocks were allocated. */
static size_t take_by(allocator *allocate, size_t size, size_t bytes)
{
    size_t count = 0;
    while (count < BLOCKS && count * size < bytes && (blocks[count] = allocate(size)) != NULL) {
        memset(blocks[count++], 1, size);
    }
    return count;
}

static size_t take(size_t size, size_t bytes)
{
    return take_by(malloc, size, bytes);
}

static void give(size_t count)
{
    while (count > 0) {
        free(blocks[--count]);
    }
}

/* Allocates a block of `size` bytes by growing it again and again by two thirds, as a server does with a body that it
 * reads in pieces. */
static void *grow(size_t size)
{
    size_t have = 1000;
    char *block = malloc(have);
    while (block != NULL && have < size) {
        have = have * 5 / 3 < size ? have * 5 / 3 : size;
        char *larger = realloc(block, have);
        if (larger == NULL) {
            free(block);
        }
        block = larger;
    }
    return block;
}

static void *come_and_go(void *unused)
{
    return unused;
}

/* The runner's argument is a limit on the address space in MiB. The case sets this limit after the library has already
 * served many requests. */
CASE(address_space_is_limited_late)
{
    size_t limit = argument(0) * MIB;
    give(take(20000, MIB));
    set_limit(RLIMIT_AS, limit);
    for (size_t size = 400; size <= (size_t)4 * MIB; size *= 2) {
        size_t count = take(size, (size_t)32 * MIB);
        CHECK(count * size >= (size_t)32 * MIB);
        give(count);
    }
    CHECK(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    check_in_thread(come_and_go, NULL);
}

static size_t data_limit(void)
{
    struct rlimit limit;
    CHECK_EQUAL(getrlimit(RLIMIT_DATA, &limit), 0);
    CHECK(limit.rlim_cur != RLIM_INFINITY);
    return limit.rlim_cur;
}

/* Allocates blocks of the size in the runner's second argument. Checks that these blocks can fill a part of `limit`: at
 * least the percentage in the runner's third argument. `limit` is in bytes. */
static void expect_share(size_t limit)
{
    size_t size = argument(1);
    size_t count = take(size, limit);
    CHECK(count * size * 100 >= limit * argument(2));
    give(count);
}

/*
 * The runner's arguments are the size of the blocks in a burst, the size of the blocks that are allocated after the
 * burst, and a percentage of the limit. The later blocks must be able to use at least this percentage. The limit
 * (RLIMIT_DATA) is in force from the start of the program.
 */
CASE(another_size_after_a_burst)
{
    size_t limit = data_limit();
    give(take(1000, 1000));
    give(take(argument(0), limit / 10 * 8));
    expect_share(limit);
}

/*
 * Blocks of another size are allocated after a burst, as in the case another_size_after_a_burst. But here each block of
 * the burst is allocated small and grown by realloc to the size in the runner's first argument, and the burst has as
 * many blocks as the limit (RLIMIT_DATA) permits.
 */
CASE(another_size_after_blocks_that_grew)
{
    size_t limit = data_limit();
    give(take_by(grow, argument(0), limit));
    expect_share(limit);
}

static const struct rlimit late_limit = {(rlim_t)256 * MIB, (rlim_t)256 * MIB};

/* Sets RLIMIT_DATA for this process, by prlimit with the process's id. */
static void *limit_by_id(void *unused)
{
    CHECK_EQUAL(prlimit(getpid(), RLIMIT_DATA, &late_limit, NULL), 0);
    return unused;
}

/* Sets RLIMIT_DATA for this process. If `by` is "thread", another thread does so by prlimit with the process's id. If
 * `by` is "prlimit", this thread does so by prlimit, and otherwise by setrlimit. */
static void set_late_limit(const char *by)
{
    if (strcmp(by, "thread") == 0) {
        check_in_thread(limit_by_id, NULL);
    } else if (strcmp(by, "prlimit") == 0) {
        CHECK_EQUAL(prlimit(0, RLIMIT_DATA, &late_limit, NULL), 0);
    } else {
        CHECK_EQUAL(setrlimit(RLIMIT_DATA, &late_limit), 0);
    }
}

/* Blocks of another size are allocated after a burst, as in the case another_size_after_a_burst. But here the limit is
 * 256 MiB, and the program itself sets it, in the way that the runner's fourth argument names. */
CASE(another_size_after_a_late_limit)
{
    give(take(20000, MIB));
    set_late_limit(check_arguments[3]);
    another_size_after_a_burst();
}

/*
 * The program sets a limit in the way that the runner's first argument names. From then on, several blocks of this size
 * share a slot, because a block of 16,390 bytes in a slot of its own would waste a fifth of the slot's pages. The
 * library does so at once, long before the kernel refuses memory.
 */
CASE(late_limit_is_known_at_once)
{
    enum { SIZE = 16390, BYTES = 64 * MIB };
    set_late_limit(check_arguments[0]);
    size_t before = status_figure("VmData");
    size_t count = take(SIZE, BYTES);
    CHECK((status_figure("VmData") - before) * 100 <= count * SIZE * 115);
    give(count);
}

/*
 * Each block is allocated small and grown by realloc to the size in the runner's first argument. Together the blocks
 * must fill at least as many percent of the limit as the number in the second argument. The limit (RLIMIT_DATA) is in
 * force from the start of the program.
 */
CASE(blocks_that_grow_fill_the_limit)
{
    size_t limit = data_limit();
    size_t size = argument(0);
    size_t count = take_by(grow, size, limit);
    CHECK(count * size * 100 >= limit * argument(1));
    give(count);
}

/* After mlockall, all memory that is mapped becomes resident at once. The pools map memory in steps, so they may map
 * more than is needed, but at most one step more. */
CASE(locked_memory_serves)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        printf("mlockall: not permitted here\n");
        exit(77);
    }
    for (size_t size = 4096; size <= (size_t)4 * MIB; size *= 2) {
        give(take(size, (size_t)8 * MIB));
    }
    malloc_trim(0);
    for (size_t size = 4096; size <= (size_t)4 * MIB; size *= 2) {
        char *block = calloc(1, size);
        CHECK(block != NULL && block[0] == 0 && memcmp(block, block + 1, size - 1) == 0);
        free(block);
    }
    CHECK(status_figure("VmLck") <= status_figure("VmSize"));
    CHECK(status_figure("VmSize") <= (size_t)192 * MIB);
}

/* Prints the size of the process's address space. */
CASE(says_its_size)
{
    CHECK(malloc(16384) != NULL);
    printf("%zu\n", status_figure("VmSize"));
}
